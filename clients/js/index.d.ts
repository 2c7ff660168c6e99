/** What was recognised in a query is used to filter, to boost, or not at all. */
export type Action = "filter" | "boost" | "off";
export type Scalar = string | number | boolean;
export type Pick = { values: Scalar[] } | { low?: number | null; high?: number | null };

/** Options of a search; all have defaults. */
export interface SearchOptions {
  similar_to?: string | null;
  /** A filter, for example `price < 50 and brand = "Nike"`. */
  where?: string | null;
  mode?: "hybrid" | "vectors" | "words";
  understand?: boolean;
  /** Whether unknown words are corrected. */
  correct?: boolean;
  infer?: boolean;
  choices?: Record<string, Action>;
  picks?: Record<string, Pick>;
  facets?: string[];
  facet_limit?: number;
  sort?: { column: string; descending?: boolean }[];
  collapse?: boolean;
  cap?: { column?: string; most?: number; among?: number } | null;
  diversity?: {
    method?: "none" | "mmr";
    weight?: number;
    max_per?: Record<string, number>;
    within?: number | null;
  } | null;
  ranker?: boolean;
  rules?: boolean;
  offset?: number;
  limit?: number;
  /** Columns that results show; null for all. */
  fields?: string[] | null;
  explain?: boolean;
  generation?: string | null;
  log?: boolean;
  follow_up?: boolean;
}

export interface Result {
  rank: number;
  product_id: string;
  score: number;
  title: string | null;
  brand: string | null;
  price: number | null;
  currency: string | null;
  category: string | null;
  group_size: number;
  photo_url: string | null;
  fields: Record<string, unknown>;
  explanation: Record<string, unknown> | null;
}

export interface Certainty {
  found: "certain" | "closest";
  probability: number | null;
  text: string;
  unknown: string[];
  unmet: Record<string, unknown> | null;
  signs: Record<string, number>;
}

export interface Answer {
  search_id: string;
  generation: string;
  text: string | null;
  where: string | null;
  corrected: string | null;
  recognised: {
    name: string;
    text: string;
    action: Action;
    certainty: number;
    reason: string;
    kind: string;
  }[];
  relaxed: string[];
  certainty: Certainty | null;
  total: number;
  total_products: number;
  matching: number;
  facets: Record<string, unknown>[];
  retrieved: Record<string, unknown>;
  text_weight: number | null;
  took_ms: number;
  timings_ms: Record<string, number>;
  ranked: boolean;
  results: Result[];
}

export interface Suggestion {
  text: string;
  kind: "query" | "brand" | "category" | "value" | "title";
  count: number;
}

export interface Written {
  results: { product_id: string | null; status: string; error?: string; problem?: string }[];
  num_upserted: number;
  num_failed: number;
}

export interface Removed {
  results: { product_id: string; status: "deleted" | "absent" }[];
  num_deleted: number;
}

export interface Stoppable {
  signal?: AbortSignal;
}

export interface Settings {
  key?: string;
  /** Milliseconds of one try. */
  timeout?: number;
  /** Further tries where the service is busy (429, 503). */
  retries?: number;
  fetch?: typeof globalThis.fetch;
}

/** Answer of the service that is no success, or no answer at all (status 0). */
export class WindowshopError extends Error {
  readonly status: number;
  readonly code: string;
  readonly where: string | null;
  /** Seconds. */
  readonly retryAfter: number | null;
}

/** Receipt of events: how many were new, how many were known, and which were left out. */
export interface Reported {
  status: number;
  message: string;
  noted: number;
  known: number;
  ignored: { event: number; reason: string }[];
}

/** Calls of a windowshop service; each throws WindowshopError. */
export class Windowshop {
  constructor(address: string | URL, settings?: Settings);
  search(text: string | null, options?: SearchOptions & Stoppable): Promise<Answer>;
  searchImage(photo: Blob, options?: SearchOptions & { text?: string } & Stoppable): Promise<Answer>;
  similar(id: string, options?: SearchOptions & Stoppable): Promise<Answer>;
  product(id: string, options?: Stoppable): Promise<Record<string, unknown>>;
  photoUrl(id: string, size?: number): string;
  suggest(text: string, options?: { limit?: number } & Stoppable): Promise<Suggestion[]>;
  facets(
    columns: string[],
    options?: { where?: string; limit?: number; generation?: string } & Stoppable,
  ): Promise<Record<string, unknown>[]>;
  info(options?: Stoppable): Promise<Record<string, unknown>>;
  feedback(answer: Answer, result: Result, event?: "click" | "cart" | "purchase"): Promise<void>;
  events(sent: Record<string, unknown>[], options?: Stoppable): Promise<Reported>;
  judge(text: string, id: string, grade: 0 | 1 | 2 | 3 | null, judge?: string): Promise<void>;
  upsert(products: Record<string, unknown>[], options?: Stoppable): Promise<Written>;
  remove(ids: string[], options?: Stoppable): Promise<Removed>;
}
