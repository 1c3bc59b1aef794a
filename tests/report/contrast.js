// The page's relative luminance, and the texts whose contrast with what is behind them is below 4.5 (WCAG 2, AA).
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const seen = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => linear(v / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (one) => {
    for (let each = one; each; each = each.parentElement) {
      const colour = seen(getComputedStyle(each).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const texts = "h1, h2, h3, p, dt, dd, li, figcaption, summary, td, th, th button, a, code, b";
  const low = new Set();
  for (const one of document.querySelectorAll(texts)) {
    if (!one.checkVisibility() || one.classList.contains("missing")) continue;
    const lights = [luminance(seen(getComputedStyle(one).color)), luminance(behind(one))];
    const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    if (contrast < 4.5) low.add(`${one.tagName} ${one.className} ${contrast.toFixed(1)}`);
  }
  return [luminance(behind(document.body)), [...low]];
}
