/** What deleting on a server does. */
export { Trash, type TrashOptions } from "./trash.ts";
