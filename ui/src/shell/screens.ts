import type { IconName } from '../parts/icon.tsx'

/** A screen in the side bar. */
export interface Screen {
  /** The first part of its address; empty = the overview. */
  readonly path: string
  readonly name: string
  readonly icon: IconName
  /** The key after `g`. */
  readonly key: string
  readonly group: 'top' | 'deliver' | 'operate'
}

export const SCREENS: readonly Screen[] = [
  { path: '', name: 'Overview', icon: 'overview', key: 'o', group: 'top' },
  { path: 'events', name: 'Events', icon: 'events', key: 'e', group: 'deliver' },
  { path: 'failures', name: 'Failures', icon: 'failed', key: 'f', group: 'deliver' },
  { path: 'keys', name: 'Keys', icon: 'keys', key: 'k', group: 'deliver' },
  { path: 'backends', name: 'Backends', icon: 'backends', key: 'b', group: 'deliver' },
  { path: 'scheduled', name: 'Scheduled', icon: 'scheduled', key: 'd', group: 'deliver' },
  { path: 'operations', name: 'Operations', icon: 'operations', key: 'p', group: 'operate' },
  { path: 'audit', name: 'Audit', icon: 'audit', key: 'a', group: 'operate' },
  { path: 'consumers', name: 'Consumers', icon: 'consumers', key: 'c', group: 'operate' },
  { path: 'inbox', name: 'Inbox', icon: 'inbox', key: 'i', group: 'operate' },
  { path: 'storage', name: 'Storage', icon: 'storage', key: 's', group: 'operate' },
]

/** Those of the bar of five on a phone; the rest stands behind "More". */
export const QUICK = ['', 'events', 'failures', 'backends']
