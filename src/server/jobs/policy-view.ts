/**
 * The policies of one moment, found by their exact labels.
 *
 * SECURITY: whoever may write policies with his own name can add it to the labels of a global one, and a search for
 * the global policy finds that too. Only label sets that a policy of its kind has count here. It is also what makes
 * looking at a thousand sources cheap: all policies are read once. Spec: kopia-server 12.4.
 */
import type { CallOptions } from "../../bytes/index.ts";
import type {
  Labels,
  Manifest,
  ManifestId,
  ManifestMetadata,
  ManifestStore,
} from "../../manifest/index.ts";
import type { Repository } from "../../repository/index.ts";
import { exactPolicyLabels } from "../authorize/label-sets.ts";
import { encodePolicy, type Policy, type PolicyTarget } from "../../snapshot/index.ts";

/** No manifest has it. */
const OVERRIDE = "override" as ManifestId;

/** Reads all policies; the view does not see what is put later. */
export async function viewPolicies(
  manifests: ManifestStore,
  options: CallOptions = {},
): Promise<PolicyView> {
  return new PolicyView(manifests, await manifests.find({ type: "policy" }, options));
}

/** The repository with such a view: for what is merged from policies. */
export async function withExactPolicies(
  repository: Repository,
  options: CallOptions = {},
): Promise<Repository> {
  const manifests = await viewPolicies(repository.manifests, options);
  const { contents, parameters, identity, clock, readOnly, description } = repository;
  return {
    contents,
    manifests,
    parameters,
    identity,
    clock,
    readOnly,
    description,
    flush: (callOptions) => repository.flush(callOptions),
    refresh: (callOptions) => repository.refresh(callOptions),
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

/** A manifest store in which policies are those of the view; everything else is the store's below. */
export class PolicyView implements ManifestStore {
  readonly #below: ManifestStore;
  /** Oldest first, by their labels. */
  readonly #byLabels: Map<string, ManifestMetadata[]> = new Map();

  constructor(below: ManifestStore, policies: readonly ManifestMetadata[]) {
    this.#below = below;
    for (const item of policies) {
      const key = keyOf(item.labels);
      if (key === undefined) continue;
      const same = this.#byLabels.get(key);
      if (same === undefined) this.#byLabels.set(key, [item]);
      else same.push(item);
    }
  }

  /** What there are policies for. */
  targets(): readonly PolicyTarget[] {
    return [...this.#byLabels.values()].map(([item]) => {
      const { username = "", hostname = "", path = "" } = item?.labels ?? {};
      return { username, hostname, path };
    });
  }

  /** The same with another policy for one path. */
  with(target: PolicyTarget, policy: Policy): ManifestStore {
    const own = keyOf(policyLabels(target));
    const data = encodePolicy(policy);
    const text = JSON.stringify(data);
    const labels = policyLabels(target);
    const lengthBytes = text.length;
    const item: Manifest = { id: OVERRIDE, lengthBytes, labels, modified: 0n, data, text };
    const find: ManifestStore["find"] = async (wanted, options) =>
      keyOf(wanted) === own && wanted["type"] === "policy"
        ? [item]
        : await this.find(wanted, options);
    const get: ManifestStore["get"] = async (id, options) =>
      id === OVERRIDE ? item : await this.get(id, options);
    return {
      find,
      get,
      put: (putLabels, putData, options) => this.put(putLabels, putData, options),
      delete: (id, options) => this.delete(id, options),
      flush: (options) => this.flush(options),
    };
  }

  async find(labels: Labels, options?: CallOptions): Promise<readonly ManifestMetadata[]> {
    if (labels["type"] !== "policy") return await this.#below.find(labels, options);
    const key = keyOf(labels);
    if (key !== undefined) return this.#byLabels.get(key) ?? [];
    const wanted = Object.entries(labels);
    return [...this.#byLabels.values()]
      .filter(([item]) => wanted.every(([name, value]) => item?.labels[name] === value))
      .flat();
  }

  async get(id: ManifestId, options?: CallOptions): Promise<Manifest> {
    return await this.#below.get(id, options);
  }

  async put(labels: Labels, data: unknown, options?: CallOptions): Promise<ManifestId> {
    return await this.#below.put(labels, data, options);
  }

  async delete(id: ManifestId, options?: CallOptions): Promise<void> {
    await this.#below.delete(id, options);
  }

  async flush(options?: CallOptions): Promise<void> {
    await this.#below.flush(options);
  }
}

function policyLabels({ username, hostname, path }: PolicyTarget): Labels {
  return { type: "policy", policyType: "path", username, hostname, path };
}

/** `undefined` for labels that no policy has. */
function keyOf(labels: Labels): string | undefined {
  if (!exactPolicyLabels(labels)) return undefined;
  return JSON.stringify(Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
