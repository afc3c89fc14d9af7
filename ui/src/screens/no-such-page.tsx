import type { JSX } from 'preact'
import { Empty } from '../parts/empty.tsx'
import { Untitled } from '../parts/panel.tsx'
import { useTitle } from '../place/title.ts'

export function NoSuchPage(): JSX.Element {
  useTitle('No such page')
  return (
    <>
      <h1 class="vh">No such page</h1>
      <Untitled label="What to do">
        <Empty icon="cancelled" title="There is no such page">
          <p>The address may be of another version.</p>
          <a href="./">To the overview</a>
        </Empty>
      </Untitled>
    </>
  )
}
