// The demo shop: views, a basket, and what it tells Restage. Restage itself is in restage.js.
import { NAMES } from "/names.js";
import { picture } from "/pictures.js";

const by = (id) => document.getElementById(id);
const money = (value) => `€ ${value.toFixed(2)}`;
const text = (tag, words, parent) => {
  const node = document.createElement(tag);
  node.textContent = words;
  parent?.append(node);
  return node;
};

const rows = (await (await fetch("/items.csv")).text()).trim().split("\n").slice(1);
const items = rows.map((row, number) => {
  const [item, category, price] = row.split(",");
  return { item, category, price: Number(price), number, name: NAMES[number] };
});
const known = new Map(items.map((item) => [item.item, item]));
const categories = [...new Set(items.map((item) => item.category))];
const { restage } = window;

// The basket lives as long as the tab.
let basket = JSON.parse(sessionStorage.getItem("basket") || "[]").filter((id) => known.has(id));
const keep = () => {
  sessionStorage.setItem("basket", JSON.stringify(basket));
  by("count").textContent = basket.length;
};

const card = (one) => {
  const link = document.createElement("a");
  link.className = "card";
  link.href = `/p/${one.item}`;
  link.dataset.rsItem = one.item;
  link.dataset.category = one.category;
  link.append(picture(one.number, one.category));
  text("b", one.name, link);
  text("span", money(one.price), link);
  return link;
};

for (const category of categories) {
  const link = text("a", category, by("nav"));
  link.href = `/c/${category}`;
}
by("grid").append(...items.map(card));

const about = (one) => ({ item: one.item, category: one.category, price: one.price });
const show = (...ids) => {
  for (const id of ["banner", "list", "product", "cart", "pay", "thanks"]) by(id).hidden = !ids.includes(id);
};
let current = null;

const go = (path, push = true) => {
  if (push) history.pushState(null, "", path);
  const [, view, name] = path.split("/");
  current = null;
  for (const link of by("nav").children) link.toggleAttribute("aria-current", link.pathname === path);
  by("grid").classList.toggle("all", view === "c");
  for (const child of by("grid").children) child.classList.toggle("other", view === "c" && child.dataset.category !== name);
  if (view === "p" && known.has(name)) {
    current = known.get(name);
    show("product", "list");
    by("picture").replaceChildren(picture(current.number, current.category));
    by("crumb").textContent = current.category;
    by("name").textContent = current.name;
    by("price").textContent = money(current.price);
    by("text").textContent = "Designed to be used every day and to look better for it. Repairable, with spare parts for ten years.";
    by("title").textContent = "You may like";
    restage?.view("item_view", about(current));
  } else if (view === "c" && categories.includes(name)) {
    show("banner", "list");
    by("title").textContent = name[0].toUpperCase() + name.slice(1);
    restage?.view("list_view", { category: name });
  } else if (view === "cart") {
    show("cart", "list");
    by("title").textContent = "Goes well with it";
    draw();
    restage?.view("view_cart");
  } else if (view === "checkout") {
    show("pay");
    restage?.view("page_view");
    restage?.track("begin_checkout", { value: sum() });
  } else if (view === "thanks") {
    show("thanks");
    restage?.view("page_view");
  } else {
    show("banner", "list");
    by("title").textContent = "For you";
    restage?.view("page_view");
  }
  if (push) scrollTo(0, 0);
};

const sum = () => Math.round(basket.reduce((all, id) => all + known.get(id).price, 0) * 100) / 100;
const draw = () => {
  by("lines").replaceChildren(
    ...basket.map((id, place) => {
      const one = known.get(id);
      const line = document.createElement("li");
      line.append(picture(one.number, one.category));
      text("b", one.name, line);
      text("span", money(one.price), line);
      text("button", "remove", line).addEventListener("click", () => {
        basket.splice(place, 1);
        keep();
        draw();
        restage?.track("remove_from_cart", { ...about(one), quantity: 1 });
      });
      return line;
    }),
  );
  by("sum").textContent = money(sum());
  by("checkout").hidden = !basket.length;
};

by("add").addEventListener("click", () => {
  if (!current) return;
  basket.push(current.item);
  keep();
  restage?.track("add_to_cart", { ...about(current), quantity: 1 });
});
by("buy").addEventListener("click", () => {
  for (const id of basket) restage?.track("purchase", { ...about(known.get(id)), quantity: 1, value: known.get(id).price });
  basket = [];
  keep();
  go("/thanks");
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  go(link.pathname);
});
addEventListener("popstate", () => go(location.pathname, false));

// The drawer: what was sent, what came back, and why.
by("open").addEventListener("click", () => {
  by("drawer").hidden = !by("drawer").hidden;
  by("open").setAttribute("aria-expanded", String(!by("drawer").hidden));
});
by("anew").addEventListener("click", async () => {
  await restage?.forget();
  basket = [];
  keep();
  go("/");
});
let acted = 0;
document.addEventListener("restage", ({ detail: { state, id, about: said } }) => {
  if (state === "sent") {
    acted = performance.now();
    by("events").prepend(text("li", `${id}  ${Object.values(said).join(" ")}`));
    while (by("events").children.length > 40) by("events").lastChild.remove();
  }
  if (state !== "applied" || !said) return;
  by("phase").textContent = said.phase ?? "–";
  for (const name of ["p_purchase", "p_abandon"]) {
    by(name).value = said[name] ?? 0;
    by(`${name}_text`).textContent = said[name] === undefined ? "–" : `${(100 * said[name]).toFixed(1)} %`;
  }
  const delay = performance.now() - acted;
  if (said.trigger && !said.trigger.startsWith("timer") && delay < 1000) by("delay").textContent = `${delay.toFixed(0)} ms`;
  by("changed").textContent = `${(said.changed || []).join(", ") || "nothing"} — after ${said.trigger || "a look"}`;
  by("reasons").replaceChildren(...(said.reason || []).map((why) => text("li", why)));
  by("layout").replaceChildren(...Object.entries(said.layout || {}).map(([slot, arm]) => text("li", `${slot}: ${arm}`)));
  by("held").hidden = !said.holdout;
});

keep();
go(location.pathname, false);
