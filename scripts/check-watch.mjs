#!/usr/bin/env node
// Checks `make watch` as a developer sees it: a changed component, stylesheet and word in Leptos.toml each show up in an
// open browser by themselves. Edits the three files and puts them back, so they must be committed. Takes minutes.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.chdir(join(import.meta.dirname, ".."));
const { chromium } = createRequire(join(process.cwd(), "end2end/package.json"))("@playwright/test");
const { launchOptions } = await import("../end2end/support/chromium.js");

const changes = [
  ["app/src/landing/hero.rs", (text) => text.replace('class="hero-words"', 'class="hero-words" data-watched="yes"'),
    () => document.querySelector("[data-watched=yes]")],
  ["style/base.css", (text) => `${text}\nh1 { outline: 3px solid rgb(1, 2, 3); }\n`,
    () => getComputedStyle(document.querySelector("h1")).outlineColor === "rgb(1, 2, 3)"],
  ["Leptos.toml", (text) => text.replace(/(\[page\.hero\][^[]*?\ntitle = )".*"/, '$1"A watched word"'),
    () => document.querySelector("h1").textContent.includes("A watched word")],
];
const files = changes.map(([file]) => file);
if (execFileSync("git", ["status", "--porcelain", "--", ...files]).length > 0) throw new Error(`commit ${files} first`);

const origin = "http://127.0.0.1:3900";
const folder = mkdtempSync(join(tmpdir(), "watch-"));
const before = files.map((file) => [file, readFileSync(file)]);
const watch = spawn("make", ["watch"], {
  stdio: "inherit",
  detached: true, // a group of its own, so that all of it can be ended
  env: {
    ...process.env, LEPTOS_SITE_ADDR: "127.0.0.1:3900", LEPTOS_RELOAD_PORT: "3901", SITE_URL: origin,
    DATABASE_URL: `sqlite://${folder}/ttr.db`, TTR__SIMULATOR__ADDR: "127.0.0.1:3902",
  },
});
const browser = await chromium.launch(launchOptions);
try {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  const until = async (condition) => {
    while (!(await condition())) {
      if (watch.exitCode !== null) throw new Error("make watch ended");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  await until(() => fetch(`${origin}/health/ready`).then(({ ok }) => ok, () => false));
  await page.goto(origin);
  await page.waitForSelector("[data-hydrated]", { state: "attached" });
  for (const [file, change, shown] of changes) {
    const changed = change(readFileSync(file, "utf8"));
    if (changed === readFileSync(file, "utf8")) throw new Error(`${file}: nothing to change`);
    const start = Date.now();
    writeFileSync(file, changed);
    await until(() => page.evaluate(shown).catch(() => false)); // never reloaded from here
    console.log(`==> ${file}: shown after ${((Date.now() - start) / 1000).toFixed(1)} s`);
  }
  if (complaints.length) console.log("the browser complained:", complaints);
} finally {
  for (const [file, bytes] of before) writeFileSync(file, bytes);
  await browser.close();
  process.kill(-watch.pid, "SIGINT");
  rmSync(folder, { recursive: true, force: true });
}
