/** The names by which this server may be asked for: of its certificate, its machine, its address, and the operator's. */
import { hostname } from "node:os";
import type { ServerTls } from "../tls/index.ts";
import { parsePlace } from "./place.ts";
import type { ListenSettings } from "./types.ts";

export function hostNamesOf(listen: ListenSettings, tls: ServerTls | undefined): readonly string[] {
  const machine = hostname();
  const place = parsePlace(listen.address);
  return [
    ...(tls?.names ?? []),
    machine,
    machine.split(".")[0] ?? machine,
    ...(place.kind === "tcp" ? [place.host] : []),
    ...listen.hostNames,
  ];
}
