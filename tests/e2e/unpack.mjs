// Unpack the brotli files of the npm package @sparticuz/chromium into the folder of argument 1.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";

const source = "node_modules/@sparticuz/chromium/bin";
const target = process.argv[2];
for (const name of ["chromium", "al2023.tar", "fonts.tar"]) {
  writeFileSync(join(target, name), brotliDecompressSync(readFileSync(join(source, `${name}.br`))));
}
