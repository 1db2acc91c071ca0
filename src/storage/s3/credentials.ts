/**
 * What requests are signed with: the keys of the configuration, a role taken on with them or with a web identity, or
 * what the environment, the AWS files and the machine offer.
 *
 * SECURITY: keys and tokens are in no message, and no error of the token service is kept as a cause.
 */
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { type S3Config, roleDurationNs } from "./config.ts";

type Credentials = S3ClientConfig["credentials"];

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** `undefined`: the SDK's own chain. */
export async function s3Credentials(config: S3Config): Promise<Credentials> {
  const keys = keysOf(config);
  const roleArn = config.roleARN ?? "";
  if (roleArn === "") return keys;
  const { fromTemporaryCredentials, fromTokenFile, fromWebToken } = await import(
    "@aws-sdk/credential-providers"
  );
  const durationS = Number(roleDurationNs(config.duration ?? "") ?? 0n) / 1e9;
  const duration = durationS > 0 ? Math.floor(durationS) : undefined;
  const endpoint = config.roleEndpoint ?? "";
  const clientConfig = {
    region: (config.roleRegion ?? "") || (config.region ?? "") || "us-east-1",
    ...(endpoint === "" ? {} : { endpoint }),
  };
  const sessionName = (config.sessionName ?? "") || "sejf";
  const identity = {
    roleArn,
    roleSessionName: sessionName,
    clientConfig,
    ...(duration === undefined ? {} : { durationSeconds: duration }),
  };
  const tokenFile = config.webIdentityTokenFile ?? "";
  if (tokenFile !== "") return fromTokenFile({ ...identity, webIdentityTokenFile: tokenFile });
  const token = config.webIdentityToken ?? "";
  if (token !== "") return fromWebToken({ ...identity, webIdentityToken: token });
  return fromTemporaryCredentials({
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      ...(duration === undefined ? {} : { DurationSeconds: duration }),
    },
    ...(keys === undefined ? {} : { masterCredentials: keys }),
    clientConfig,
  });
}

function keysOf(config: S3Config): Keys | undefined {
  const { accessKeyID = "", secretAccessKey = "", sessionToken = "" } = config;
  if (accessKeyID === "") return undefined;
  return {
    accessKeyId: accessKeyID,
    secretAccessKey,
    ...(sessionToken === "" ? {} : { sessionToken }),
  };
}
