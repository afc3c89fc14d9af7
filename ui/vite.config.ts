import { defineConfig } from 'vite'

export default defineConfig({
  // Relative addresses: the base path is found at run time, in the <base> that the server writes.
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../dist/admin-http/ui',
    emptyOutDir: true,
    // No data: addresses, which the content security policy refuses, and no script that Vite would add to the page.
    assetsInlineLimit: 0,
    modulePreload: false,
    target: 'es2022',
    chunkSizeWarningLimit: 400,
  },
})
