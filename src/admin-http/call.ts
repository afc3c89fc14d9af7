import type { Admin } from '../admin/admin.ts'
import type { AdminAction } from './admin-user.ts'
import type { FeatureName } from './api-operations.ts'
import type { Authentication, Visitor } from './authentication.ts'
import type { FilterMemory } from './filter-memory.ts'
import type { FindingsFeed } from './findings-feed.ts'
import type { AdminSettings } from './options.ts'
import type { EventView } from './shown-event.ts'
import type { Signer } from './signed.ts'
import type { StatusFeed } from './status-feed.ts'

/** What is needed of a Broadcaster: its name, and its door for operators. */
export interface AdministeredOutbox {
  /** What it is called. */
  readonly name: string
  /** The outbox as operators see it. */
  readonly admin: Admin
}

/** One outbox, and what all calls about it share. */
export interface ServedOutbox {
  readonly name: string
  readonly admin: Admin
  readonly feed: StatusFeed
  readonly findings: FindingsFeed
}

/** What all calls share. */
export interface Desk {
  readonly settings: AdminSettings
  readonly signer: Signer
  readonly view: EventView
  readonly authentication: Authentication
  readonly outboxes: ReadonlyMap<string, ServedOutbox>
  readonly filters: FilterMemory
  readonly version: string
  readonly features: Readonly<Record<FeatureName, boolean>>
}

/** A call, once it is known who makes it, and that they may. */
export interface Call {
  readonly request: Request
  readonly desk: Desk
  /** Null only where everybody may call. */
  readonly visitor: Visitor | null
  readonly outbox: ServedOutbox
  /** The parts of the path, by their names in the route. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Readonly<Record<string, unknown>>
  /** Whether the visitor may do something else besides. */
  may(action: AdminAction): Promise<boolean>
}

/** Where a call leads. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST'
  /** Behind `api/`; `{id}` stands for one part. */
  readonly path: string
  /** Null: everybody may call. */
  readonly action: AdminAction | null
  /** One sentence. */
  readonly summary: string
  /** What it takes behind the `?`, each with its meaning, besides `outbox`. */
  readonly query?: Readonly<Record<string, string>>
  /** The type of its body, and the members of that. */
  readonly body?: { readonly type: string; readonly members: readonly string[] }
  /** The type of its answer; null = no JSON. */
  readonly answer: string | null
  /** What must be there for it; false answers 501. */
  readonly feature?: FeatureName
  run(call: Call): unknown
}
