import type { JSX } from 'preact'
import { Icon, type IconName } from './icon.tsx'

export type Tone = 'plain' | 'ok' | 'warn' | 'bad' | 'held' | 'calm'

/** Each state is an icon of its own shape and a word; the color comes third. */
const STATES = {
  pending: ['Pending', 'waits', 'plain'],
  scheduled: ['Scheduled', 'scheduled', 'plain'],
  processing: ['Processing', 'running', 'calm'],
  published: ['Published', 'ok', 'ok'],
  retry: ['Retry', 'requeue', 'warn'],
  failed: ['Failed', 'failed', 'bad'],
  cancelled: ['Cancelled', 'cancelled', 'plain'],
  blocked: ['Blocked', 'blocked', 'held'],
  flowing: ['Flowing', 'ok', 'ok'],
  slow: ['Slow', 'wrong', 'warn'],
  down: ['Down', 'down', 'bad'],
  paused: ['Paused', 'paused', 'calm'],
  idle: ['Idle', 'waits', 'plain'],
  running: ['Running', 'running', 'calm'],
  done: ['Done', 'ok', 'ok'],
  stopped: ['Stopped', 'cancelled', 'plain'],
  refused: ['Refused', 'failed', 'bad'],
  wrong: ['Wrong', 'wrong', 'bad'],
  advice: ['Advice', 'advice', 'warn'],
  fine: ['Fine', 'ok', 'ok'],
} as const satisfies Readonly<Record<string, readonly [string, IconName, Tone]>>

export type StateName = keyof typeof STATES

export const isState = (name: string): name is StateName => Object.hasOwn(STATES, name)

interface Props {
  readonly name: StateName
  /** Instead of the state's own word. */
  readonly text?: string | undefined
  readonly pill?: boolean
  /** A sentence that may need several lines. */
  readonly wraps?: boolean
}

export function State({ name, text, pill = false, wraps = false }: Props): JSX.Element {
  const [word, icon, tone] = STATES[name]
  return (
    <Sign icon={icon} tone={tone} pill={pill} wraps={wraps}>
      {text ?? word}
    </Sign>
  )
}

interface SignProps {
  readonly icon: IconName
  readonly tone: Tone
  readonly pill?: boolean
  readonly wraps?: boolean
  readonly href?: string | undefined
  readonly children: preact.ComponentChildren
}

/** A state that is not in the list: an icon, and words of its own. */
export function Sign({ icon, tone, pill = false, wraps = false, href, children }: SignProps): JSX.Element {
  const classes = `state${tone === 'plain' ? '' : ` state--${tone}`}${pill ? ' state--pill' : ''}${wraps ? ' state--wraps' : ''}`
  const inner = (
    <>
      <Icon name={icon} />
      <span>{children}</span>
    </>
  )
  return href === undefined ? (
    <span class={classes}>{inner}</span>
  ) : (
    <a class={classes} href={href}>
      {inner}
    </a>
  )
}
