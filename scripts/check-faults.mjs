#!/usr/bin/env node
// Holds docs/faults.md to a test run: every row of the fault table is there, each test that it names exists and passed, and
// at least seventy rows are covered. Reads what the test runners said: scripts/check-faults.mjs LOG…
import { readFileSync } from "node:fs";
import { join } from "node:path";

const rows = { A: 13, B: 15, C: 29, D: 20, E: 17 };
const atLeast = 70;

const logs = process.argv.slice(2).map((file) => readFileSync(file, "utf8"));
const passed = new Set(logs.flatMap((log) => log.split("\n")).map(nameOfPassed).filter(Boolean));
const table = readFileSync(join(import.meta.dirname, "../docs/faults.md"), "utf8");
const faults = [...table.matchAll(/^\| ([A-E]\d+) \|.*\| (.+) \|$/gm)].map(([, id, tests]) => ({ id, tests: namesIn(tests) }));

const complaints = [];
const expected = Object.entries(rows).flatMap(([letter, count]) => Array.from({ length: count }, (_, n) => `${letter}${n + 1}`));
for (const id of expected) {
  const count = faults.filter((fault) => fault.id === id).length;
  if (count !== 1) complaints.push(`${id} stands ${count} times in docs/faults.md`);
}
for (const { id, tests } of faults) {
  for (const test of tests) if (!passed.has(test)) complaints.push(`${id}: "${test}" did not pass in this run, or is not there`);
}
const covered = faults.filter(({ tests }) => tests.length > 0);
if (covered.length < atLeast) complaints.push(`only ${covered.length} faults have a test, not ${atLeast}`);

for (const complaint of complaints) console.error(complaint);
const tests = new Set(covered.flatMap(({ tests }) => tests)).size;
const without = faults.filter(({ tests }) => tests.length === 0).map(({ id }) => id);
console.log(`${covered.length} of ${expected.length} faults are covered by ${tests} tests; without a test: ${without.join(", ") || "none"}`);
process.exitCode = complaints.length > 0 ? 1 : 0;

/** The name of a test that a line says has passed: `room::name`, `file.spec: title`, or undefined. */
function nameOfPassed(line) {
  const rust = line.match(/^test (\S+)(?: - should panic)? \.\.\. ok$/);
  if (rust) return rust[1];
  const browser = line.match(/^\s*✓\s+\d+ tests\/(\S+)\.js:\d+:\d+ › (.*) \([\d.]+m?s\)$/u);
  return browser && `${browser[1]}: ${browser[2]}`;
}

/** The tests that a cell names, each in backquotes (commands may stand there too); a cell without any says why there is none. */
function namesIn(cell) {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name).filter((name) => /::|\.spec: /.test(name));
}
