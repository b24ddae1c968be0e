// How screens are looked at: whether they scroll sideways, what axe says of them, and their pictures in docs/screenshots.
// Screens stand in an object: by name what leads a page there, in the order in which they are gone through.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { expect } from "@playwright/test";

const folder = join(import.meta.dirname, "../../docs/screenshots");

export const colorSchemes = ["light", "dark"];

/** Every way in which a screen is pictured. */
export const looks = [[390, 844], [1440, 900]].flatMap(([width, height]) =>
  colorSchemes.map((colorScheme) => ({ title: `${width} px, ${colorScheme}`, viewport: { width, height }, colorScheme })),
);

const pictureOf = (name, { viewport, colorScheme }) => join(folder, `${name}-${viewport.width}-${colorScheme}.png`);

/** Whether that picture is to be taken: it is missing, or all are taken anew. */
export const isWanted = (name, look) => Boolean(process.env.UPDATE_SCREENSHOTS) || !existsSync(pictureOf(name, look));

/** Takes the picture of what the page shows, full length, if it is wanted. */
export async function isPictured(page, name, look) {
  const path = pictureOf(name, look);
  if (isWanted(name, look)) await page.screenshot({ path, fullPage: true });
  expect(existsSync(path), path).toBe(true);
}

export async function axeFindsNothing(page, where) {
  const axe = new AxeBuilder({ page }).setLegacyMode(); // in this page alone, which has no frames: half the time
  const { violations } = await axe.analyze();
  expect(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]), where).toEqual([]);
}

const openEverything = (page) =>
  page.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));

/** Screens on a telephone, a tablet and a desk; axe looks at the narrowest and the widest. */
async function isSound(page, name) {
  for (const [width, withAxe] of [[390, true], [768, false], [1440, true]]) {
    await page.setViewportSize({ width, height: 900 });
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(sideways, `${name} at ${width} px scrolls sideways`).toBeLessThanOrEqual(0);
    if (withAxe) await axeFindsNothing(page, `${name} at ${width} px`);
  }
}

/** Each screen is accessible and does not scroll sideways, as it comes and with everything opened. */
export async function areSound(page, screens) {
  for (const [name, go] of Object.entries(screens)) {
    await go(page);
    await isSound(page, name);
    if ((await page.locator("details").count()) === 0) continue;
    await openEverything(page);
    await isSound(page, `${name}, opened`);
  }
}

const nameOf = (name) => `aurea-${name}`;

export const areAllPictured = (screens, look) => Object.keys(screens).every((name) => !isWanted(nameOf(name), look));

/** Takes those pictures of the owner's screens that are wanted. */
export async function arePictured(page, screens, look) {
  for (const [name, go] of Object.entries(screens)) {
    if (isWanted(nameOf(name), look)) await go(page);
    await isPictured(page, nameOf(name), look);
  }
}
