/** Words of `policy set` that stand for no value of their own. */

/** Takes the value back, so that the levels above decide. */
export const INHERIT = "inherit";
/** The same, where a number is expected. */
export const DEFAULT = "default";
