/** `--safety`: whether to wait as long as other clients may need, or not at all. */
import { choice, type Flag } from "../flags.ts";

export type Safety = "full" | "none";

export const SAFETY_FLAG: Flag<Safety> = choice("Safety level", ["full", "none"], {
  default: "full",
});
