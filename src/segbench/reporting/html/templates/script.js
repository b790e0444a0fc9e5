// The page works without this: the script only sorts, filters and hides what is already there.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const THEMES = { auto: "as the device", light: "light", dark: "dark" };

  // Some browsers keep no storage for a page that is opened from a file.
  const stored = () => { try { return localStorage.getItem("segbench-theme"); } catch { return null; } };
  const store = (theme) => { try { localStorage.setItem("segbench-theme", theme); } catch { /* for this visit only */ } };

  function showTheme(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (!button) return;
    button.setAttribute("aria-label", `Colours: ${THEMES[theme]}`);
    button.querySelector("span").textContent = theme;
  }

  let theme = Object.hasOwn(THEMES, stored() ?? "") ? stored() : "auto";
  showTheme(theme);

  function setUpTheme() {
    showTheme(theme);
    document.getElementById("theme").addEventListener("click", () => {
      const names = Object.keys(THEMES);
      theme = names[(names.indexOf(theme) + 1) % names.length];
      store(theme);
      showTheme(theme);
    });
  }

  // Cells without a value come last in either direction; equal ones keep their order.
  function sortBy(table, index, descending) {
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => ({ row, key: row.cells[index].dataset.key }));
    const numeric = keyed.every(({ key }) => key === "" || Number.isFinite(Number(key)));
    const order = (a, b) => (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
    keyed.sort((a, b) => {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
      return descending ? order(b.key, a.key) : order(a.key, b.key);
    });
    body.append(...keyed.map(({ row }) => row));
  }

  function setUpTable(box) {
    const table = box.querySelector("table");
    const heads = all("thead th", table);
    const count = box.querySelector(".count");
    heads.forEach((head, index) => {
      head.querySelector("button")?.addEventListener("click", () => {
        const before = head.getAttribute("aria-sort");
        const descending = before === "none" ? head.hasAttribute("data-down") : before === "ascending";
        heads.filter((other) => other.hasAttribute("aria-sort")).forEach((other) => other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortBy(table, index, descending);
      });
    });
    const rows = [...table.tBodies[0].rows];
    box.querySelector("input[type=search]").addEventListener("input", (event) => {
      const shown = narrow(rows, event.target.value, (row) => row.textContent);
      count.textContent = `${shown} of ${rows.length} ${box.dataset.things}`;
    });
    all("input[data-group]", box).forEach((choice) => {
      const cells = all("[data-in]", table).filter((cell) => cell.dataset.in === choice.dataset.group);
      const apply = () => cells.forEach((cell) => { cell.hidden = !choice.checked; });
      choice.addEventListener("change", apply);
      apply();
    });
  }

  // Show what contains every word; return how many.
  function narrow(items, words, textOf) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const item of items) {
      const text = textOf(item).toLowerCase();
      item.hidden = !wanted.every((word) => text.includes(word));
      shown += !item.hidden;
    }
    return shown;
  }

  function setUpViewer() {
    const viewer = document.getElementById("viewer");
    if (!viewer) return;
    const panels = all(".panel", viewer);
    const [image, run, every] = ["image", "run", "every-run"].map((id) => document.getElementById(id));
    const runs = new Map();
    panels.forEach((panel) => runs.set(panel.dataset.run, [...(runs.get(panel.dataset.run) ?? []), panel]));
    // A run may show fewer images than another: its last one stands in.
    const at = (those) => those[Math.min(image ? Number(image.value) : 0, those.length - 1)];
    const show = () => {
      const those = runs.get(run ? run.value : "0");
      const chosen = at(those);
      const beside = every?.checked ? [...runs.values()].map(at).filter((p) => p.dataset.seed === chosen.dataset.seed) : [];
      panels.forEach((panel) => {
        panel.hidden = panel !== chosen && !beside.includes(panel);
        panel.classList.toggle("chosen", beside.length > 1 && panel === chosen);
      });
      viewer.classList.toggle("many", beside.length > 1);
      const place = those.indexOf(chosen);
      const name = chosen.dataset.name;
      if (run) {
        document.getElementById("run-name").textContent = name;
        run.setAttribute("aria-valuetext", name);
      }
      if (image) {
        const text = `${place + 1} of ${those.length}`;
        document.getElementById("image-name").textContent = text;
        image.setAttribute("aria-valuetext", text);
      }
    };
    [image, run, every].forEach((control) => control?.addEventListener("input", show));
    show();
  }

  function setUpRuns() {
    const runs = all("details.run");
    if (!document.getElementById("find-run")) return;
    const count = document.getElementById("run-count");
    document.getElementById("find-run").addEventListener("input", (event) => {
      const shown = narrow(runs, event.target.value, (run) => run.dataset.text);
      count.textContent = `${shown} of ${runs.length} runs`;
    });
    const button = document.getElementById("open-runs");
    button.addEventListener("click", () => {
      const open = button.getAttribute("aria-expanded") === "false";
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "Close all" : "Open all";
      runs.forEach((run) => { run.open = open; });
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    setUpTheme();
    all(".sortable").forEach(setUpTable);
    setUpViewer();
    setUpRuns();
  });
})();
