#!/usr/bin/env node
// Checks `make watch` as a developer sees it: a changed component, stylesheet and word in Leptos.toml each show up in an
// open browser by themselves, and the islands work each time. Edits the three files and puts them back, so they must be
// committed. Takes minutes.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

process.chdir(join(import.meta.dirname, ".."));
const { chromium } = createRequire(join(process.cwd(), "end2end/package.json"))("@playwright/test");
const { launchOptions } = await import("../end2end/support/chromium.js");

const style = "style/base.css";
const changes = [
  ["app/src/landing/hero.rs", (text) => text.replace('class="hero-words"', 'class="hero-words" data-watched="yes"'),
    () => document.querySelector("[data-watched=yes]") !== null],
  [style, (text) => `${text}\nh1 { outline: 3px solid rgb(1, 2, 3); }\n`,
    () => getComputedStyle(document.querySelector("h1")).outlineColor === "rgb(1, 2, 3)"],
  ["Leptos.toml", (text) => text.replace(/(\[page\.hero\][^[]*?\ntitle = )".*"/, '$1"A watched word"'),
    () => document.querySelector("h1").textContent.includes("A watched word")],
];
const islandsWork = () =>
  ["buy-button", "faq", "video", "scroll-depth"].every((island) => document.querySelector(`[data-island=${island}]`)) &&
  !document.querySelector("[data-island]:not([data-hydrated])");
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
let ended = false;
const end = new Promise((resolve) => watch.once("exit", resolve)).then(() => (ended = true));
const browser = await chromium.launch(launchOptions);
try {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => {
    const refused = message.text().includes("net::ERR_"); // an event sent while the server restarts; it is sent again
    if (message.type() === "error" && !refused) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  const until = async (what, minutes, condition) => {
    const late = Date.now() + minutes * 60_000;
    while (!(await condition())) {
      if (ended) throw new Error("make watch ended");
      if (Date.now() > late) throw new Error(`not within ${minutes} min: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const shows = (...condition) => page.evaluate(...condition).catch(() => false); // false while the page reloads
  const ready = () => fetch(`${origin}/health/ready`).then(({ ok }) => ok, () => false);
  const watches = async () => {
    const text = readFileSync(style);
    const mark = `at-${Date.now()}`; // no number: it would be rounded
    writeFileSync(style, `${text}\n:root { --watched: ${mark}; }\n`);
    const marked = (mark) => getComputedStyle(document.documentElement).getPropertyValue("--watched").trim() === mark;
    const late = Date.now() + 3000;
    while (Date.now() < late && !(await shows(marked, mark))) await new Promise((resolve) => setTimeout(resolve, 200));
    writeFileSync(style, text);
    return Date.now() < late;
  };
  await until("the server is ready", 30, ready);
  await page.goto(origin); // from here on the page reloads by itself, or not at all
  await until("every island works", 1, () => shows(islandsWork));
  console.log("==> served; every island works");
  await until("cargo-leptos watches", 1, watches); // it doesn't say from when on
  for (const [file, change, shown] of changes) {
    const changed = change(readFileSync(file, "utf8"));
    if (changed === readFileSync(file, "utf8")) throw new Error(`${file}: nothing to change`);
    const start = Date.now();
    writeFileSync(file, changed);
    await until(`the change of ${file} is shown`, 5, () => shows(shown));
    console.log(`==> ${file}: shown after ${((Date.now() - start) / 1000).toFixed(1)} s`);
    await until(`every island works after ${file}`, 1, () => shows(islandsWork));
  }
  const words = readFileSync("Leptos.toml", "utf8");
  writeFileSync("Leptos.toml", `${words}\n[not a table\n`);
  await until("a fault in Leptos.toml ends the server", 5, async () => !(await ready()));
  await page.waitForTimeout(15_000); // cargo-leptos waits 10 s for the server, then has the page reload nevertheless
  writeFileSync("Leptos.toml", words.replace("A watched word", "A corrected word"));
  await until("the corrected word is shown", 5, () =>
    shows(() => document.querySelector("h1").textContent.includes("A corrected word")));
  console.log("==> Leptos.toml: shown after a fault was corrected");
  if (complaints.length) throw new Error(`the browser complained: ${complaints.join("\n")}`);
  console.log("==> every change was shown, and every island works");
} finally {
  await browser.close();
  if (!ended) process.kill(-watch.pid, "SIGINT");
  await end;
  for (const [file, bytes] of before) writeFileSync(file, bytes);
  rmSync(folder, { recursive: true, force: true });
}
