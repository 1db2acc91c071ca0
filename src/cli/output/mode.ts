/** File modes as Go prints them: `drwxr-xr-x`, `Lrwxrwxrwx`, `urwxr-xr-x` for setuid. */

const BITS = "rwxrwxrwx";

/** `type`: `d`, `s` (symlink) or any other; `mode`: Unix permission bits with setuid, setgid and sticky. */
export function formatMode(type: string, mode: number): string {
  const letters = [
    type === "d" ? "d" : "",
    type === "s" ? "L" : "",
    mode & 0o4000 ? "u" : "",
    mode & 0o2000 ? "g" : "",
    mode & 0o1000 ? "t" : "",
  ].join("");
  const permissions = Array.from(BITS, (letter, at) => (mode & (0o400 >> at) ? letter : "-")).join(
    "",
  );
  return `${letters === "" ? "-" : letters}${permissions}`;
}
