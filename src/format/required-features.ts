/** What a client must understand to open a repository. Spec: kopia-format 2.5. */
import { SejfError } from "../errors/index.ts";
import { type JsonObject, omitEmpty, type UnknownMembers } from "./json-members.ts";

export interface RequiredFeature {
  readonly feature: string;
  readonly ifNotUnderstood: {
    /** Go on with a warning instead of refusing. */
    readonly warn: boolean;
    readonly message: string;
    readonly url: string;
    readonly upgradeToVersion: string;
    readonly unknown: UnknownMembers;
  };
  readonly unknown: UnknownMembers;
}

const UNDERSTOOD: ReadonlySet<string> = new Set(["index-v1", "index-v2"]);

/**
 * Warnings for features that are not understood but need not be.
 * @throws SEJF_UNSUPPORTED_FORMAT for one that must be.
 */
export function checkRequiredFeatures(features: readonly RequiredFeature[]): readonly string[] {
  const warnings: string[] = [];
  for (const feature of features) {
    if (UNDERSTOOD.has(feature.feature)) continue;
    const { warn, message, url, upgradeToVersion } = feature.ifNotUnderstood;
    const text = `the repository uses the feature ${JSON.stringify(feature.feature)}, which this program does not know${message === "" ? "" : `: ${message}`}`;
    if (!warn)
      throw new SejfError("SEJF_UNSUPPORTED_FORMAT", text, {
        hint: upgradeHint(url, upgradeToVersion),
      });
    warnings.push(text);
  }
  return warnings;
}

function upgradeHint(url: string, upgradeToVersion: string): string {
  const version =
    upgradeToVersion === ""
      ? "a newer version"
      : `a version that understands what Kopia ${upgradeToVersion} does`;
  return `use ${version}${url === "" ? "" : `, see ${url}`}`;
}

/** @throws SEJF_CORRUPT. */
export function requiredFeatureFromJson(json: JsonObject): RequiredFeature {
  const inner = json.object("ifNotUnderstood");
  return {
    feature: json.string("feature"),
    ifNotUnderstood: {
      warn: inner.boolean("warn"),
      message: inner.string("message"),
      url: inner.string("url"),
      upgradeToVersion: inner.string("upgradeToVersion"),
      unknown: inner.unknown,
    },
    unknown: json.unknown,
  };
}

export function requiredFeatureToJson(feature: RequiredFeature): object {
  const { warn, message, url, upgradeToVersion, unknown } = feature.ifNotUnderstood;
  return {
    feature: feature.feature,
    ifNotUnderstood: {
      warn,
      message: omitEmpty(message),
      url: omitEmpty(url),
      upgradeToVersion: omitEmpty(upgradeToVersion),
      ...unknown,
    },
    ...feature.unknown,
  };
}
