// Drives the demo shop in a real browser, and says what it saw.
//
//   node test/browser.mjs SHOP_URL CONTROL_URL [FOLDER]
//
// Browses, fills a basket, hesitates; measures from click to changed page and how much the page shifts;
// breaks the collector and the stream; two tabs, back and forward; screenshots at three widths into FOLDER.
// Exit code 1 if a bound does not hold.
import { mkdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [shop, control, folder] = process.argv.slice(2);
const path = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((one) => {
  try {
    return readFileSync(one, { flag: "r" }) && true;
  } catch {
    return false;
  }
});
const browser = await chromium.launch({
  executablePath: path,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failed = 0;
const check = (name, holds, saw) => {
  console.log(`${holds ? "ok  " : "FAIL"} ${name}: ${saw}`);
  if (!holds) failed++;
};
const watch = () => {
  const OF_CLICKS = ["start", "page_view", "list_view", "item_view", "view_cart", "add_to_cart", "click"];
  const log = (window.seen = { states: [], shift: 0, delays: [] });
  let clicked = 0;
  addEventListener("click", () => (clicked = performance.now()), true);
  document.addEventListener("restage", ({ detail: { state, id, about } }) => {
    log.states.push([state, id]);
    // A change that waited for the policy's cooldown comes with a later event, a dwell or a scroll.
    if (state === "applied" && clicked && OF_CLICKS.includes(about?.trigger)) {
      log.delays.push(performance.now() - clicked);
      clicked = 0;
    }
  });
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) if (!one.hadRecentInput) log.shift += one.value;
  }).observe({ type: "layout-shift", buffered: true });
};
const errors = [];
const open = async (size = { width: 1280, height: 900 }) => {
  const context = await browser.newContext({ viewport: size });
  await context.addInitScript(watch);
  const page = await context.newPage();
  page.on("console", (said) => said.type() === "error" && errors.push(said.text()));
  page.on("pageerror", (error) => errors.push(error.message));
  return page;
};
const seen = (page) => page.evaluate(() => window.seen);
const status = async () => (await fetch(`${control}/v1/status`)).json();
const shoot = async (page, name) => {
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
};

// Browse: every click changes what is known; see how soon the page follows.
const page = await open();
await page.goto(shop);
await page.waitForFunction(() => window.seen.states.some(([state]) => state === "applied"), null, { timeout: 5000 });
await shoot(page, "home");
const decided = new Set();
for (let round = 0; round < 110; round++) {
  const cards = await page.$$("#grid > a:visible");
  await cards[(round * 5) % Math.min(12, cards.length)].click();
  await page.waitForTimeout(300);
  if (round % 3 === 2) await page.click("#add");
  if (round % 7 === 3) await page.click("a[href='/cart']");
  await page.waitForTimeout(600);
  if (round % 4 === 1) await page.click(".logo");
  if (round % 8 === 7) {
    // Somebody else.
    await page.click("#open");
    await page.click("#anew");
    await page.click("#open");
  }
  await page.waitForTimeout(150);
  for (const [state, id] of (await seen(page)).states) if (state === "applied") decided.add(id);
}
await page.click("#open");
await shoot(page, "product");
const saw = await seen(page);
const sorted = saw.delays.slice().sort((a, b) => a - b);
const p95 = sorted[Math.floor(sorted.length * 0.95)] ?? NaN;
check("decisions applied", decided.size >= 50, `${decided.size}`);
check("click to changed page, p95", p95 < 100, `${p95?.toFixed(1)} ms over ${sorted.length} (p50 ${sorted[sorted.length >> 1]?.toFixed(1)} ms)`);
check("layout shift", saw.shift <= 0.01, saw.shift.toFixed(4));

// Hesitate with a full cart.
await page.click("a[href='/cart']");
await page.mouse.move(5, 500);
const before = await page.$eval(".promo > p:not([hidden])", (p) => p.dataset.rsArm);
await page.waitForTimeout(16_000);
const after = await page.$eval(".promo > p:not([hidden])", (p) => p.dataset.rsArm);
check("hesitating changes the page", before !== after || after !== "none", `${before} to ${after}`);
await shoot(page, "hesitating");
check("seen decisions are reported", saw.states.some(([state]) => state === "visible"), `${saw.states.filter(([state]) => state === "visible").length}`);

// The collector answers 503 twice, and then goes away for a moment: no event is lost or doubled.
{
  const page = await open();
  await page.goto(shop);
  await page.waitForTimeout(1500);
  const start = await status();
  let refusals = 2;
  await page.route("**/v1/events", (route) => {
    if (refusals-- > 0) return route.fulfill({ status: 503, body: "{}" });
    if (refusals > -3) return route.abort();
    return route.continue();
  });
  const quiet = errors.length;
  await page.evaluate(() => {
    for (let n = 0; n < 20; n++) window.restage.track("search", { page: `/s/${n}` });
  });
  await page.waitForTimeout(14_000);
  errors.length = quiet;
  const end = await status();
  const came = (end.kinds.search ?? 0) - (start.kinds.search ?? 0);
  check("events outlive 503 and a dropped connection", came === 20, `${came} of 20`);
  await page.context().close();
}

// Two tabs of one visitor, back and forward.
{
  const page = await open();
  await page.goto(shop);
  await page.waitForTimeout(800);
  const other = await page.context().newPage();
  await other.goto(shop);
  await other.waitForTimeout(800);
  await page.click("#grid > a:nth-child(2)");
  await page.waitForTimeout(800);
  const [one, two] = [await seen(page), await seen(other)];
  const last = (log) => log.states.filter(([state]) => state === "received").at(-1)?.[1];
  check("two tabs are told the same", last(one) && last(one) === last(two), `${last(one)?.split("/").at(-1)} and ${last(two)?.split("/").at(-1)}`);
  await page.goBack();
  await page.goForward();
  await page.goto(`${shop}/cart`);
  await page.goBack();
  await page.waitForTimeout(600);
  const live = await page.evaluate(() => window.seen.states.length > 0);
  check("back and forward", live, "the page goes on");
  await page.context().close();
}

check("no error in the console", errors.length === 0, errors.slice(0, 3).join(" | ") || "none");

for (const [name, width, height] of [["phone", 390, 844], ["tablet", 820, 1180], ["desktop", 1440, 900]]) {
  const page = await open({ width, height });
  await page.goto(shop);
  await page.waitForTimeout(900);
  await shoot(page, `shop-${name}`);
  await page.goto(control);
  await page.waitForTimeout(2500);
  await shoot(page, `control-${name}`);
  await page.context().close();
}
await browser.close();
console.log(failed ? `${failed} failed` : "all held");
process.exit(failed ? 1 : 0);
