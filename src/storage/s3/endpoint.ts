/** Where requests go: the URL, the region they are signed for, and whether the bucket is part of the host's name. */
import { type S3Config } from "./config.ts";

export interface S3Target {
  readonly url: string;
  readonly region: string;
  /** The bucket is the first part of the path, not of the host's name. */
  readonly pathStyle: boolean;
}

/** What requests to a store that says nothing of regions are signed for. */
const FALLBACK_REGION = "us-east-1";

const AMAZON = /^s3(?:[.-](.+))?\.amazonaws\.com(\.cn)?$/;

/** `region`: what the store itself has said, when the configuration names none. */
export function s3Target(config: S3Config, region?: string): S3Target {
  const scheme = config.doNotUseTLS === true ? "http" : "https";
  const { endpoint, bucket } = config;
  const host = endpoint.replace(/:\d+$/, "").toLowerCase();
  const amazon = AMAZON.exec(host);
  const chosen = (config.region ?? "") || (region ?? amazonRegion(amazon?.[1]) ?? FALLBACK_REGION);
  // The name without a region answers with redirections for buckets elsewhere.
  const url =
    amazon !== null && amazon[1] === undefined && endpoint === host
      ? `${scheme}://s3.${chosen}.amazonaws.com${amazon[2] ?? ""}`
      : `${scheme}://${endpoint}`;
  return { url, region: chosen, pathStyle: !takesBucketInHost(host, bucket, scheme) };
}

/** `eu-west-1`, `dualstack.eu-west-1`, `external-1`. */
function amazonRegion(middle: string | undefined): string | undefined {
  if (middle === undefined) return undefined;
  const region = middle.replace(/^(?:fips[.-])?(?:dualstack[.-])?/, "");
  if (region === "external-1") return FALLBACK_REGION;
  return /^[a-z]+(?:-[a-z]+)+-\d+$/.test(region) ? region : undefined;
}

/** A dot in the bucket's name fits no wildcard certificate. */
function takesBucketInHost(host: string, bucket: string, scheme: string): boolean {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return false;
  if (scheme === "https" && bucket.includes(".")) return false;
  return (
    AMAZON.test(host) || host === "storage.googleapis.com" || /(?:^|\.)aliyuncs\.com$/.test(host)
  );
}
