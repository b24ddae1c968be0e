import js from "@eslint/js";
import playwright from "eslint-plugin-playwright";
import globals from "globals";

export default [
  { ignores: ["node_modules", "test-results", "playwright-report"] },
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
    rules: { "no-empty-pattern": ["error", { allowObjectPatternsAsParameters: true }] }, // a fixture that needs no other
  },
  {
    ...playwright.configs["flat/recommended"],
    files: ["tests/**"],
    rules: {
      ...playwright.configs["flat/recommended"].rules,
      "playwright/expect-expect": ["error", { assertFunctionNames: ["hydrated", "expectInOrder", "isLeft", "areSound", "arePictured", "isPictured"] }],
      "playwright/no-skipped-test": ["error", { allowConditional: true }],
    },
  },
];
