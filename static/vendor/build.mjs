/* Copies the third-party browser files that pages load from node_modules into this folder, or
   bundles them, with their licences, and writes the icon subset and SHA256SUMS. Run with
   `npm run vendor`. */
import { buildSync } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const root = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

const files = {
  "htmx.min.js": "htmx.org/dist/htmx.min.js",
  "htmx.LICENSE.txt": "htmx.org/LICENSE",
  "uplot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
  "uplot.LICENSE.txt": "uplot/LICENSE",
  "daisyui.LICENSE.txt": "daisyui/LICENSE",
  "lucide.LICENSE.txt": "lucide-static/LICENSE",
};

/* Modules that come in many files: what pages import of them, as one. */
const bundles = {
  uppy: `export { Uppy } from "@uppy/core"; export { default as AwsS3 } from "@uppy/aws-s3";`,
};

const icons = `activity arrow-left arrow-right book-open box check chevron-down chevron-right chevrons-up-down
  ban circle-alert circle-check circle-dashed circle-question-mark circle-x clock cloud-upload copy
  credit-card database download external-link eye file-text funnel git-branch house info key-round
  keyboard   languages lock log-out mail menu pause play plus refresh-cw rocket rotate-ccw search settings
  shield-check skip-forward snowflake sparkles square sun-moon tags terminal trash-2 triangle-alert type undo-2 users x`
  .split(/\s+/);

const digest = (text) => createHash("sha256").update(text).digest("hex");

/* One text with the licence of every package in a bundle. */
function licences(inputs) {
  const names = Object.keys(inputs).map((path) => path.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]);
  return [...new Set(names.filter(Boolean))].sort().map((name) => {
    const folder = root(`node_modules/${name}`);
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(`${folder}/${file}`, "utf8").trim() : ""}\n`;
  }).join("\n---\n\n");
}

const bundled = Object.entries(bundles).flatMap(([name, contents]) => {
  const { outputFiles, metafile } = buildSync({
    stdin: { contents, resolveDir: root(".") }, bundle: true, minify: true, format: "esm", target: "es2022",
    legalComments: "none", metafile: true, write: false, absWorkingDir: root("."), preserveSymlinks: true,
  });
  return Object.entries({ [`${name}.js`]: outputFiles[0].text, [`${name}.LICENSE.txt`]: licences(metafile.inputs) });
}).map(([name, text]) => {
  writeFileSync(here(name), text);
  return `${digest(text)}  ${name}`;
});

const sums = Object.entries(files).map(([name, source]) => {
  // Source maps are not shipped, so a browser must not be told to look for them.
  const text = readFileSync(root(`node_modules/${source}`), "utf8")
    .replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n");
  writeFileSync(here(name), text);
  return `${digest(text)}  ${name}`;
});
writeFileSync(here("SHA256SUMS"), `${[...sums, ...bundled].join("\n")}\n`);

const inner = (name) => readFileSync(root(`node_modules/lucide-static/icons/${name}.svg`), "utf8")
  .match(/<svg[^>]*>([\s\S]*)<\/svg>/)[1].replace(/\s*\n\s*/g, "").replaceAll(" />", "/>");
const subset = Object.fromEntries(icons.map((name) => [name, inner(name)]));
writeFileSync(root("platform/modelyard/web/icons.json"), `${JSON.stringify(subset, null, 1)}\n`);
