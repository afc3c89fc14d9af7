import type { JSX } from 'preact'

const circle = (x: number, y: number, r: number): string =>
  `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`
const ROUND = circle(12, 12, 9)

/** Each icon is one path in a square of 24: a state is known by its shape, not by its color. */
const PATHS = {
  overview: 'M3 12h4l3-8 4 16 3-8h4',
  events: 'M4 6h16M4 12h16M4 18h10',
  failed: 'M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9.3 9.3l5.4 5.4m0-5.4l-5.4 5.4',
  keys: `${circle(8, 15, 4.5)}M11.3 11.7L20 3m-3.5 3.5L19 9`,
  backends: 'M3 12h12m-5-5l5 5-5 5M20 4v16',
  operations: `M4 7h9m6 0h1M4 17h1m6 0h9${circle(16, 7, 2.5)}${circle(8, 17, 2.5)}`,
  audit: 'M6 3h9l4 4v14H6zM9.5 11h6m-6 4h6M9.5 7H12',
  storage: 'M4 6a8 3 0 1 0 16 0a8 3 0 1 0-16 0M4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3',
  inbox: 'M4 13l3-8h10l3 8v6H4zM4 13h5l1 2.5h4l1-2.5h5',
  consumers: 'M4 12h4m8-7h4M16 19h4M8 12c4 0 4-7 8-7M8 12c4 0 4 7 8 7',
  paused: `${ROUND}M10 9v6m4-6v6`,
  theme: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z',
  person: `${circle(12, 8, 4)}M4 21c.8-4 4-6 8-6s7.2 2 8 6`,
  save: 'M12 4v11m-5-5l5 5 5-5M4 20h16',
  find: `${circle(11, 11, 6.5)}M20 20l-4.3-4.3`,
  running: `${ROUND}M12 3v18M15 5v14M18 7.5v9`,
  ok: `${ROUND}M8 12.4l2.7 2.7L16 9.5`,
  cancelled: `${ROUND}M5.8 5.8l12.4 12.4`,
  before: 'M15 5l-7 7 7 7',
  after: 'M9 5l7 7-7 7',
  more: 'M4.5 12h1M11.5 12h1M18.5 12h1',
  down: 'M4 20l4-4m8-8l4-4M8.5 11.5l4 4-2 2a2.8 2.8 0 0 1-4-4zM11.5 8.5l2-2a2.8 2.8 0 0 1 4 4l-2 2',
  send: 'M4 12l16-8-5 16-4-6.5zM11 13.5L20 4',
  resume: 'M7 4.5l12 7.5-12 7.5z',
  blocked: 'M7 11h10a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H7a2 2 0 0 1-2-2v-5a2 2 0 0 1 2-2zM8 11V8a4 4 0 0 1 8 0v3',
  copy: 'M10 8h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2v-8a2 2 0 0 1 2-2zM16 8V5a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3',
  open: 'M6 9l6 6 6-6',
  requeue: 'M20 12a8 8 0 1 1-2.4-5.7L20 8.6M20 3.5v5.1h-5.1',
  skip: 'M5 5l9 7-9 7zM19 5v14',
  waits: `${ROUND}M12 7v5l3.2 2`,
  masked:
    'M4 4l16 16M9.5 5.4A10 10 0 0 1 22 12a14 14 0 0 1-2.6 3.4M6 7.5A14 14 0 0 0 2 12s3.5 6.5 10 6.5a10 10 0 0 0 3.6-.7',
  wrong: 'M12 3.5l9.5 16.5h-19zM12 10v4.5m0 2.6v.1',
  advice: `${ROUND}M12 11v5.5m0-9v.1`,
  close: 'M6 6l12 12M18 6L6 18',
  scheduled: 'M6 5h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zM4 10h16M8 3v4m8-4v4',
} as const

export type IconName = keyof typeof PATHS

/** Decoration: the word beside it, or the button's label, says the same. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="i" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** The sign of Broadcaster. */
export function Sign(): JSX.Element {
  return (
    <svg class="sign" viewBox="0 0 24 24" aria-hidden="true">
      <rect x="2.5" y="8" width="8" height="8" rx="2" />
      <path d="M14 12h7m-7-4l5-4.5m-5 12.5l5 4.5" />
    </svg>
  )
}
