// Opens the page in a real browser, with script and without, and measures it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { serveSamples } from "./samples.mjs";

const [directory, ...services] = process.argv.slice(2);
const axe = readFileSync(join(directory, "node_modules/axe-core/axe.min.js"), "utf8");
const WIDTHS = [360, 1280];
const SCHEMES = ["light", "dark"];
let failures = 0;

function judge(what, problems) {
  const found = [problems].flat().filter(Boolean);
  console.log(`${found.length ? "BAD " : "good"}  ${what}`);
  for (const problem of found) console.log(`      ${problem}`);
  if (found.length) failures += 1;
}

// A page, and what it does that it must not.
async function open(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const misdeeds = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) misdeeds.push(message.text());
  });
  page.on("pageerror", (error) => misdeeds.push(String(error)));
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith(url) && !to.startsWith("data:")) misdeeds.push(`a request to ${to}`);
  });
  page.on("dialog", (dialog) => {
    misdeeds.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(url);
  return { page, misdeeds, close: () => context.close() };
}

const sections = (page) => page.locator("section").allTextContents();
// What remains where values change from one moment to the next.
const labels = (page) => page.locator("h2, h3, dt, th, caption, summary").allTextContents();
const openAll = (page) =>
  page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));

// What two pages say differently.
async function difference(say, one, other) {
  const [these, those] = [await say(one), await say(other)];
  if (these.length !== those.length) return `${these.length} texts, not ${those.length}`;
  const place = these.findIndex((text, at) => text !== those[at]);
  return place >= 0 && `${these[place].trim()}\n      but: ${those[place].trim()}`;
}

async function withoutScript(browser, url, say) {
  const renewed = await open(browser, url);
  await renewed.page.waitForTimeout(2500);
  const first = await open(browser, url, { javaScriptEnabled: false });
  const differs = await difference(say, first.page, renewed.page);
  judge(`${url} says the same with script and without`, differs);
  judge(`${url} does nothing it must not`, [...renewed.misdeeds, ...first.misdeeds]);
  await renewed.close();
  await first.close();
}

async function looks(browser, url, name) {
  for (const colorScheme of SCHEMES) {
    for (const width of WIDTHS) {
      const viewport = { width, height: 800 };
      const { page, close } = await open(browser, url, { colorScheme, viewport });
      const picture = (what) =>
        page.screenshot({
          path: join(directory, "screenshots", `${what}-${width}-${colorScheme}.png`),
          fullPage: true,
        });
      await picture(name);
      await openAll(page);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      judge(`${name} fits into ${width} px`, wide > width && `it is ${wide} px wide`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      const told = ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join("\n        ")}`;
      judge(`axe has nothing against ${name}, ${width} px, ${colorScheme}`, violations.map(told));
      if (name.startsWith("trouble")) await picture(`${name}-open`);
      await close();
    }
  }
}

// A page that stays open while the service changes, goes away, and comes back.
async function renewal(browser, { base, changing }) {
  changing.name = "well.en";
  const { page, misdeeds, close } = await open(browser, `${base}/changing/`);
  const details = page.locator("details").last();
  await details.locator("summary").click();
  changing.name = "trouble.en";
  await page.waitForTimeout(2500);
  const fresh = await open(browser, `${base}/trouble.en/`);
  const news = await page.locator("#news").textContent();
  await page.evaluate(() => document.getElementById("news").replaceChildren());
  judge("what changes is taken over", await difference(sections, fresh.page, page));
  judge("what was open stays open", (await details.getAttribute("open")) === null && "it closed");
  judge("a screen reader is told", !news.includes("The data is old") && `told: ${news}`);
  judge("the title says it", (await page.title()) !== (await fresh.page.title()) && (await page.title()));
  judge("nothing that must not be", misdeeds);

  const offline = page.locator("#offline");
  changing.name = "";
  await page.waitForTimeout(3500);
  const told = (await offline.isVisible()) && (await offline.textContent());
  judge("a service that is away is told", !/No connection .* [1-4] s/.test(told) && `told: ${told}`);
  await page.screenshot({ path: join(directory, "screenshots", "offline.png") });
  changing.name = "well.en";
  await page.waitForTimeout(3500);
  judge("and one that is back", (await offline.isVisible()) && "still told to be away");
  await fresh.close();
  await close();
}

// As on a LAN without HTTPS, where there is no clipboard.
async function copying(browser, { base }) {
  const context = await browser.newContext();
  await context.addInitScript("Object.defineProperty(navigator, 'clipboard', { value: undefined })");
  const page = await context.newPage();
  await page.goto(`${base}/well.en/`);
  await page.locator("#copy").click();
  const copied = await page.locator("#copied").textContent();
  const selected = await page.evaluate(() => String(getSelection()));
  judge("it can be copied without HTTPS", !copied && "nothing is said");
  judge("what is copied is the report", !selected.includes("fronius-smartmeter ") && selected);
  await context.close();
}

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath, args });
const samples = await serveSamples(join(directory, "samples"));
for (const name of samples.names) {
  await withoutScript(browser, `${samples.base}/${name}/`, sections);
  await looks(browser, `${samples.base}/${name}/`, name);
}
await renewal(browser, samples);
await copying(browser, samples);
for (const [place, url] of services.entries()) {
  await withoutScript(browser, url, labels);
  await looks(browser, url, `service-${place}`);
}
samples.close();
await browser.close();
console.log(failures ? `${failures} bad` : "all good");
process.exit(failures ? 1 : 0);
