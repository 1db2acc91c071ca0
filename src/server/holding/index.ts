/** Which contents an account may see, and what a snapshot must prove before it is taken in. */
export { openHoldings } from "./holdings.ts";
export type {
  ArrivingListings,
  HeldRepository,
  HoldingCallOptions,
  HoldingMode,
  Holdings,
  HoldingsOptions,
  HoldingsStatistics,
  SentBatch,
} from "./types.ts";
export { assertRoom, QuotaError } from "./quota.ts";
