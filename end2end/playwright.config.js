import { defineConfig } from "@playwright/test";
import { launchOptions } from "./support/chromium.js";

// Every test starts its own ttr on free ports with an empty store, so that tests run side by side.
export default defineConfig({
  testDir: "tests",
  workers: 2,
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  retries: 1, // a test that needs it is listed as flaky: a defect to mend, but no reason to doubt the build
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: "list",
  use: { launchOptions, viewport: { width: 1280, height: 800 }, locale: "en-GB", trace: "retain-on-failure" },
});
