#!/usr/bin/env node
// Builds the release: target/release/ttr with hash.txt beside it, and target/site with hashed, precompressed files.
// The same result as `cargo leptos build --release --precompress` without building cargo-leptos first; names and
// profiles come from the manifest's [[workspace.metadata.leptos]]. scripts/compare-builds checks that both agree.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import zlib from "node:zlib";

process.chdir(join(import.meta.dirname, ".."));
const metadata = JSON.parse(execFileSync("cargo", ["metadata", "--no-deps", "--format-version=1"], { maxBuffer: 1e8 }));
const settings = metadata.metadata.leptos[0];
const name = settings["output-name"];
const site = settings["site-root"];
const hashFile = "target/release/hash.txt";
const stampFile = "target/site.stamp";
const npm = createRequire(join(process.cwd(), "end2end/package.json")); // packages are there once scripts/tools was run

/** Runs a program to its end, its output as ours. */
const run = (program, ...args) =>
  new Promise((resolve, reject) => {
    spawn(program, args, { stdio: "inherit" })
      .on("error", reject)
      .on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
const say = (text) => console.log(`==> ${text}`);
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
const hashOf = (...contents) =>
  contents.reduce((hash, bytes) => hash.update(bytes), createHash("md5")).digest("base64url"); // as cargo-leptos does

/** The program. */
async function server() {
  say("building the server");
  await run("cargo", "build", "--release", "--package", settings["bin-package"], "--bin", settings["bin-target"]);
}

/** The browser's half: module, glue, stylesheet, and everything in public/. */
async function page() {
  await run("scripts/tools", "wasm-target", "npm");
  say("building the browser's module");
  const profile = settings["lib-profile-release"];
  const wasm32 = "wasm32-unknown-unknown";
  await run("cargo", "build", "--lib", "--package", settings["lib-package"], "--profile", profile, "--target", wasm32,
    "--target-dir", "target/front");
  await run("scripts/tools", "wasm-bindgen");
  const module = `target/front/${wasm32}/${profile}/${settings["lib-package"].replaceAll("-", "_")}.wasm`;
  const inputs = [module, "scripts/build.mjs", "end2end/package-lock.json", "Cargo.toml",
    ...filesBelow(dirname(settings["style-file"])), ...filesBelow(settings["assets-dir"])];
  const stamp = hashOf(...inputs.flatMap((file) => [file, readFileSync(file)]));
  if (isCurrent(stamp)) return;
  await writeSite(module);
  writeFileSync(stampFile, stamp + readFileSync(hashFile)); // last, so that a build that failed is not current
}

/** True if the site is there, was made from exactly these inputs, and not by cargo-leptos since. */
function isCurrent(stamp) {
  if (!existsSync(stampFile) || !existsSync(hashFile)) return false;
  const hashes = readFileSync(hashFile, "utf8");
  const files = [...hashes.matchAll(/^(\w+): (.+)$/gm)].map(([, kind, hash]) => `${name}.${hash}.${kind}`);
  return readFileSync(stampFile, "utf8") === stamp + hashes &&
    files.every((file) => existsSync(join(site, settings["site-pkg-dir"], file)));
}

async function writeSite(module) {
  say("writing the site: wasm-bindgen, wasm-opt, esbuild, lightningcss, brotli");
  const bindings = "target/front/bindings";
  const fresh = `${site}.new`;
  const pkg = join(fresh, settings["site-pkg-dir"]);
  rmSync(fresh, { recursive: true, force: true });
  cpSync(settings["assets-dir"], fresh, { recursive: true });
  mkdirSync(pkg, { recursive: true });

  await run("target/tools/bin/wasm-bindgen", "--target=web", "--no-typescript", `--out-name=${name}`,
    `--out-dir=${bindings}`, module);
  const small = `${bindings}/${name}.wasm`;
  await run("end2end/node_modules/.bin/wasm-opt", "-Oz", "--enable-bulk-memory", "--enable-nontrapping-float-to-int",
    `${bindings}/${name}_bg.wasm`, "-o", small);
  const hashes = { js: "", wasm: "", css: "" };
  const add = (kind, bytes) => {
    hashes[kind] = hashOf(bytes);
    writeFileSync(join(pkg, `${name}.${hashes[kind]}.${kind}`), bytes);
  };
  add("wasm", readFileSync(small));
  const glue = readFileSync(`${bindings}/${name}.js`, "utf8");
  const named = glue.replaceAll(`${name}_bg.wasm`, `${name}.${hashes.wasm}.wasm`); // before hashing: a new module is a new glue
  add("js", npm("esbuild").transformSync(named, { minify: true, format: "esm", target: "es2022" }).code);
  const browsers = npm("browserslist")(settings["browserquery"]);
  const { bundle, browserslistToTargets } = npm("lightningcss");
  add("css", bundle({ filename: settings["style-file"], minify: true, targets: browserslistToTargets(browsers) }).code);
  for (const file of filesBelow(fresh).filter((file) => !/\.(mp4|webm|png|jpe?g|webp|avif|ico|woff2)$/.test(file))) {
    const bytes = readFileSync(file);
    writeFileSync(`${file}.gz`, zlib.gzipSync(bytes, { level: 9 }));
    writeFileSync(`${file}.br`, zlib.brotliCompressSync(bytes)); // quality 11, as is the default
  }

  const old = `${site}.old`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(site)) renameSync(site, old); // two renames: a running server misses its files for a moment only
  renameSync(fresh, site);
  rmSync(old, { recursive: true, force: true });
  mkdirSync("target/release", { recursive: true });
  writeFileSync(hashFile, Object.entries(hashes).map(([kind, hash]) => `${kind}: ${hash}\n`).join(""));
}

const outcomes = await Promise.allSettled([server(), page()]);
const failed = outcomes.filter(({ status }) => status === "rejected");
for (const { reason } of failed) console.error(`error: ${reason.message}`);
process.exit(failed.length);
