/**
 * The files of a web interface, or a page that says what this server is. Every page carries the token of its session.
 * SECURITY: pages are never framed, and scripts come from this server only. Spec: kopia-server 7.4, 9.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { serveStatic } from "@hono/node-server/serve-static";
import { type Context, Hono } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { csrfToken, isSessionCookie, newSessionCookie, SESSION_COOKIE } from "./csrf.ts";
import { textReply } from "./replies.ts";
import type { HttpEnv, UiOptions } from "./types.ts";

/** Paths of the interface's own pages, which are all drawn by `index.html`. */
const PAGES: readonly string[] = [
  "/",
  "/index.html",
  "/snapshots/*",
  "/policies/*",
  "/tasks/*",
  "/preferences/*",
  "/repo/*",
];

const PAGE_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
} as const;
const OWN_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
/** An interface of the operator's may have scripts inside of its pages. */
const FILES_POLICY =
  "default-src 'self' data:; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

/** Routes below `/`, for callers who were let in. */
export function createUiFiles(options: UiOptions, secure: boolean): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  for (const path of PAGES) app.get(path, async (context) => await page(context, options, secure));
  if (options.directory !== undefined) app.get("*", serveStatic({ root: options.directory }));
  return app;
}

async function page(
  context: Context<HttpEnv>,
  options: UiOptions,
  secure: boolean,
): Promise<Response> {
  let session = getCookie(context, SESSION_COOKIE);
  if (!isSessionCookie(session)) {
    session = newSessionCookie();
    setCookie(context, SESSION_COOKIE, session, {
      path: "/",
      httpOnly: true,
      sameSite: "Strict",
      secure,
    });
  }
  const html = await pageHtml(options);
  if (html === undefined) return textReply(404, "There is no index.html.");
  const token = csrfToken(options.csrfKey, session);
  const meta = `<meta name="kopia-csrf-token" content="${token}" /></head>`;
  const policy = options.directory === undefined ? OWN_PAGE_POLICY : FILES_POLICY;
  for (const [name, value] of Object.entries(PAGE_HEADERS)) context.header(name, value);
  context.header("content-security-policy", policy);
  return context.body(withTitle(html, options.titlePrefix).replace("</head>", meta));
}

async function pageHtml({ directory, page: lines }: UiOptions): Promise<string | undefined> {
  if (directory === undefined) return ownPage(await lines());
  try {
    return await readFile(join(directory, "index.html"), "utf8");
  } catch {
    return undefined;
  }
}

function ownPage(lines: readonly string[]): string {
  const paragraphs = lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sejf</title>
<style>body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em}p{white-space:pre-wrap;overflow-wrap:anywhere}</style></head>
<body><h1>sejf repository server</h1>
${paragraphs}
</body></html>
`;
}

function withTitle(html: string, prefix: string | undefined): string {
  return prefix === undefined || prefix === ""
    ? html
    : html.replace("<title>", () => `<title>${escapeHtml(prefix)} `);
}

function escapeHtml(text: string): string {
  const escapes: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? character);
}
