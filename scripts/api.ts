/** `npm run api`: writes docs/api.md, every name that the entries export. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './api/declarations.ts'
import { pageOf } from './api/page.ts'
import { readApi } from './api/read-api.ts'

writeFileSync(join(root, 'docs/api.md'), pageOf(readApi()))
