import type { JSX } from 'preact'
import { Empty } from '../parts/empty.tsx'
import { useTitle } from '../place/title.ts'

export function NoSuchPage(): JSX.Element {
  useTitle('No such page')
  return (
    <section class="panel" aria-label="No such page">
      <Empty icon="cancelled" title="There is no such page">
        <p>The address may be of another version.</p>
        <a href="./">To the overview</a>
      </Empty>
    </section>
  )
}
