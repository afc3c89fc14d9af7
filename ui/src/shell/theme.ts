import { signal } from '@preact/signals'
import { keep, kept } from '../api/kept.ts'

/** The system's, until the switch is used; then it is kept for this browser. */
export const theme = signal<string | null>(kept('theme'))

export function applyTheme(): void {
  if (theme.value === 'light' || theme.value === 'dark') document.documentElement.dataset['theme'] = theme.value
}

export function switchTheme(): void {
  const isDark =
    theme.peek() === 'dark' || (theme.peek() !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  theme.value = isDark ? 'light' : 'dark'
  keep('theme', theme.value)
  applyTheme()
}
