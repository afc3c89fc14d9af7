/** `npm run api`: writes docs/api.md, every name that the entries export, and the JSON Schemas of the admin API. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './api/declarations.ts'
import { pageOf } from './api/page.ts'
import { readApi } from './api/read-api.ts'
import { readSchemas, schemaFile } from './api/schemas.ts'

writeFileSync(join(root, 'docs/api.md'), pageOf(readApi()))
writeFileSync(join(root, 'src/admin-http/api-schemas.json'), schemaFile(readSchemas()))
