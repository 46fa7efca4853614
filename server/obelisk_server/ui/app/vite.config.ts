import { defineConfig } from "vitest/config";

const server = process.env.OBELISK_SERVER ?? "http://127.0.0.1:8080";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    outDir: "../built",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false, // few, and no page is drawn without them
    assetsInlineLimit: 0, // the content security policy refuses data: addresses
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/v1": {
        target: server,
        changeOrigin: true,
        // the server refuses the origin of the development server
        configure: (proxy) => proxy.on("proxyReq", (request) => request.removeHeader("origin")),
      },
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
});
