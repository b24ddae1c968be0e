// Makes the pictures that the repository keeps: public/media/tour.mp4 and its poster from tour.html, public/share.png
// from share.html, the icons from public/icons/icon.svg. Needs Chromium, ffmpeg and playwright-core:
//   npm install --prefix end2end && NODE_PATH=end2end/node_modules node scripts/demo-video/make.mjs
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const { chromium } = createRequire(process.env.NODE_PATH ? `${process.env.NODE_PATH}/` : import.meta.url)("playwright-core");
const [FPS, SECONDS, POSTER_AT] = [25, 18, 6.2];
const root = fileURLToPath(new URL("../../public/", import.meta.url));

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
await page.goto(new URL("tour.html", import.meta.url).href);
await page.evaluate(() => document.fonts.ready);

async function frame(seconds) {
  await page.evaluate((time) => {
    for (const animation of document.getAnimations()) {
      animation.pause();
      animation.currentTime = time;
    }
  }, seconds * 1000);
  return page.screenshot({ type: "png" });
}

async function encode(frames, output) {
  const ffmpeg = spawn("ffmpeg", ["-y", "-loglevel", "error", "-f", "image2pipe", "-r", String(FPS), "-i", "-", ...output], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  for (const time of frames) {
    if (!ffmpeg.stdin.write(await frame(time))) await once(ffmpeg.stdin, "drain");
  }
  ffmpeg.stdin.end();
  await once(ffmpeg, "close");
}

const all = Array.from({ length: FPS * SECONDS }, (_, index) => index / FPS);
const h264 = ["-c:v", "libx264", "-preset", "slow", "-crf", "23", "-pix_fmt", "yuv420p", "-movflags", "+faststart"];
await encode(all, [...h264, `${root}media/tour.mp4`]);
await encode([POSTER_AT], ["-frames:v", "1", "-quality", "80", `${root}media/tour.webp`]);

await page.setViewportSize({ width: 1200, height: 630 });
await page.goto(new URL("share.html", import.meta.url).href);
await page.evaluate(() => document.fonts.ready);
await page.screenshot({ path: `${root}share.png` });

const svg = await readFile(`${root}icons/icon.svg`, "utf8");
const fullBleed = svg.replace(' rx="8"', ""); // systems cut their own shape out of it
for (const [file, size] of [["apple-touch-icon", 180], ["icon-192", 192], ["icon-512", 512]]) {
  await icon(fullBleed, size, { path: `${root}icons/${file}.png` });
}
const favicon = spawn("ffmpeg", ["-y", "-loglevel", "error", "-f", "image2pipe", "-i", "-", `${root}favicon.ico`]);
favicon.stdin.end(await icon(svg, 32, { omitBackground: true }));
await browser.close();

async function icon(drawing, size, options) {
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>body { margin: 0 } svg { display: block }</style>${drawing}`);
  return page.screenshot(options);
}
