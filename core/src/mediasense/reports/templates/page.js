(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const player = document.getElementById("player");
  const large = document.getElementById("large");
  const figures = all("#frames figure");
  const marks = all(".ruler a");
  const timed = all(".line[data-at]");
  const words = all("[data-word]");
  const rulers = all("svg[data-seconds]");
  let plays = player !== null;
  const isVideo = player?.tagName === "VIDEO";

  // --- copying ---
  const copied = JSON.parse(document.getElementById("copied")?.textContent ?? "{}");
  for (const button of all(".copy")) {
    const label = button.querySelector("span");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(copied[button.dataset.copies]);
        label.textContent = "Copied";
      } catch {
        label.textContent = "Not allowed here";
      }
      setTimeout(() => { label.textContent = "Copy"; }, 2000);
    });
  }

  // --- boxes of what was read ---
  const pairs = (number) => all(`[data-box="${CSS.escape(number)}"]`);
  const chooseBox = (number) => {
    for (const one of all("[data-box].chosen")) one.classList.remove("chosen");
    if (number !== undefined) for (const one of pairs(number)) one.classList.add("chosen");
  };
  for (const one of all("[data-box]")) {
    one.addEventListener("mouseenter", () => pairs(one.dataset.box).forEach((p) => p.classList.add("near")));
    one.addEventListener("mouseleave", () => pairs(one.dataset.box).forEach((p) => p.classList.remove("near")));
  }
  for (const box of all(".images .boxes [data-box]")) {
    box.addEventListener("click", () => {
      chooseBox(box.dataset.box);
      const line = pairs(box.dataset.box).find((one) => one.classList.contains("line"));
      if (line) bring(line.closest("ol"), line);
    });
  }
  for (const line of all(".images .line")) {
    line.addEventListener("click", (event) => {
      event.preventDefault();
      chooseBox(line.dataset.box);
      document.querySelector(line.hash)?.scrollIntoView({ block: "nearest" });
    });
    line.addEventListener("focus", () => chooseBox(line.dataset.box));
  }

  // --- moments of a recording ---
  function bring(list, item) {
    if (!list || list.scrollHeight <= list.clientHeight) return;
    const top = item.offsetTop - (list.clientHeight - item.offsetHeight) / 2;
    list.scrollTo({ top, behavior: calm.matches ? "auto" : "smooth" });
  }
  const secondOf = (one) => Number(one.dataset.at);
  const frameAt = (second) => {
    let found = figures[0];
    for (const figure of figures) {
      if (secondOf(figure.querySelector("a")) <= second + 0.05) found = figure;
    }
    return found;
  };
  let shown = null;
  function showFrame(figure, second) {
    if (!figure || !large) return;
    for (const [at, one] of figures.entries()) {
      one.classList.toggle("chosen", one === figure);
      one.querySelector("a").toggleAttribute("aria-current", one === figure);
      marks[at]?.classList.toggle("chosen", one === figure);
    }
    for (const box of all("#large [data-box]")) {
      const until = Number(box.dataset.end);
      box.toggleAttribute("hidden", !(Number(box.dataset.start) <= second + 0.05 && second <= until));
    }
    if (figure === shown) return;
    shown = figure;
    const picture = figure.querySelector("img");
    const image = large.querySelector("img");
    image.src = picture.src;
    image.alt = picture.alt;
    image.width = picture.width;
    image.height = picture.height;
    large.querySelector("figcaption").textContent = figure.querySelector("figcaption").textContent;
  }
  function showLines(second) {
    let current = null;
    for (const line of timed) {
      const here = secondOf(line) <= second + 0.05 && second < Number(line.dataset.end ?? Infinity);
      line.classList.toggle("chosen", here);
      line.toggleAttribute("aria-current", here);
      if (here) current = line;
    }
    for (const word of words) word.classList.toggle("said", Number(word.dataset.word) <= second && word.closest(".chosen") !== null);
    return current;
  }
  function showNow(second) {
    for (const ruler of rulers) {
      const x = 1000 * Math.min(1, second / Number(ruler.dataset.seconds));
      const now = ruler.querySelector(".now");
      now.setAttribute("x1", x);
      now.setAttribute("x2", x);
      ruler.classList.add("playing");
    }
  }
  function goTo(second, from) {
    if (plays) player.currentTime = second;
    const figure = from?.hash?.startsWith("#frame-") ? document.querySelector(from.hash) : frameAt(second);
    showFrame(figure, second);
    const line = showLines(second);
    if (line && line !== from) bring(line.closest("ol"), line);
    if (figure && !figure.contains(from)) bring(figure.closest(".seen"), figure);
    chooseBox(from?.dataset.box);
    showNow(second);
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-at]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(secondOf(link), link);
    if (link.classList.contains("moment")) document.getElementById("media").scrollIntoView({ block: "start" });
  });
  for (const ruler of rulers) {
    ruler.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      const place = ruler.getBoundingClientRect();
      goTo(Number(ruler.dataset.seconds) * (event.clientX - place.left) / place.width, null);
    });
  }
  document.addEventListener("keydown", (event) => {
    const line = event.target.closest?.(".line");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!line || !step) return;
    const list = [...line.closest("ol").querySelectorAll(".line")];
    const next = list[list.indexOf(line) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
  if (player) {
    const gone = () => {
      plays = false;
      player.hidden = true;
      if (figures.length) large.hidden = false;
    };
    player.addEventListener("error", gone);
    if (player.error) gone();
    player.addEventListener("timeupdate", () => {
      const second = player.currentTime;
      showNow(second);
      if (player.paused) return;
      showFrame(frameAt(second), second);
      const line = showLines(second);
      if (line) bring(line.closest("ol"), line);
    });
    if (isVideo && figures.length) player.poster = figures[0].querySelector("img").src;
    if (!isVideo && large) large.hidden = false;
  } else if (figures.length) {
    large.hidden = false;
  }
  if (figures.length) showFrame(figures[0], secondOf(figures[0].querySelector("a")));
})();
