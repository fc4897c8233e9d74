// Charts that answer: values under the pointer or the arrow keys, series on and off, zoom. Without it all is legible.
"use strict";
for (const figure of document.querySelectorAll("figure.chart")) {
  const svg = figure.querySelector("svg[data-points]");
  if (!svg) continue;
  const series = JSON.parse(svg.dataset.points), full = svg.viewBox.baseVal;
  const home = [full.x, full.y, full.width, full.height], off = new Set();
  const make = (tag, text, parent) => { const made = document.createElement(tag); made.textContent = text; parent.append(made); return made; };
  const tools = document.createElement("div"), tip = document.createElement("output");
  tools.className = "tools"; tip.className = "tip"; tip.hidden = true;
  svg.before(tools); svg.after(tip); figure.style.position = "relative";
  const names = [...new Set(series.map(each => each.name))];
  for (const name of names) {
    const button = make("button", name, tools);
    button.type = "button"; button.setAttribute("aria-pressed", "true");
    button.style.setProperty("--series", `var(${series.find(each => each.name === name).colour})`);
    button.onclick = () => {
      off.has(name) ? off.delete(name) : off.add(name);
      button.setAttribute("aria-pressed", String(!off.has(name)));
      for (const line of svg.querySelectorAll("[data-series]")) if (line.dataset.series === name) line.style.display = off.has(name) ? "none" : "";
    };
  }
  let at = home[0] + home[2] / 2;
  const line = document.createElementNS(svg.namespaceURI, "line");
  line.setAttribute("stroke", "var(--muted)"); line.setAttribute("stroke-width", "1"); line.style.display = "none";
  svg.append(line);
  const show = x => {
    at = x;
    const near = [];
    for (const name of names) {
      if (off.has(name)) continue;
      let best = null;
      for (const each of series) if (each.name === name) for (const point of each.points) {
        const far = Math.abs(point[0] - x);
        if (!best || far < best[0]) best = [far, point];
      }
      if (best) near.push([name, best[1]]);
    }
    if (!near.length) return;
    const first = near.reduce((one, two) => Math.abs(one[1][0] - x) <= Math.abs(two[1][0] - x) ? one : two)[1];
    tip.textContent = first[2] + ": " + near.map(([name, point]) => `${name} ${point[3]}`).join(", ");
    tip.hidden = false;
    for (const [key, value] of [["x1", first[0]], ["x2", first[0]], ["y1", home[1]], ["y2", home[1] + home[3]]]) line.setAttribute(key, value);
    line.style.display = "";
  };
  svg.addEventListener("pointermove", event => {
    const place = svg.getBoundingClientRect();
    show(full.x + (event.clientX - place.left) / place.width * full.width);
  });
  svg.addEventListener("pointerleave", () => { line.style.display = "none"; });
  const view = (x, width) => {
    const kept = Math.min(width, home[2]), height = home[3] * kept / home[2];
    // What lies beyond a part of the chart would cover the buttons.
    svg.style.overflow = kept < home[2] ? "hidden" : "";
    svg.setAttribute("viewBox", [Math.max(home[0], Math.min(x, home[0] + home[2] - kept)), home[1] + (home[3] - height) / 2, kept, height].join(" "));
  };
  for (const [text, label, act] of [
    ["←", "earlier value", () => show(at - full.width / 40)], ["→", "later value", () => show(at + full.width / 40)],
    ["+", "zoom in", () => view(at - full.width / 4, full.width / 2)], ["−", "zoom out", () => view(at - full.width, full.width * 2)],
    ["whole", "the whole chart", () => view(home[0], home[2])],
  ]) { const button = make("button", text, tools); button.type = "button"; button.className = "step"; button.setAttribute("aria-label", label); button.onclick = act; }
}
