// The backend that appends to a file.
export { type FileBackendOptions, fileBackend } from './backend/file/file.ts'
