// The order of the papers at given weights: what fusion.fuse and fusion.rank_papers do, in the
// same order of operations on the same float64 values, so that a moving slider needs no kernel.
// The kernel confirms every order; where it ever differed, its own would be shown.

function doubles(view) {
  return new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

function integers(view) {
  return new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// Column by column, left to right, as `fuse` adds.
function fuse(columns, weights, scores) {
  scores.fill(0);
  for (let c = 0; c < columns.length; c++) {
    const column = columns[c], weight = weights[c];
    for (let i = 0; i < scores.length; i++) scores[i] += column[i] * weight;
  }
  return scores;
}

// Row of the best passage of a paper; ties to the earlier passage.
function bestRow(scores, start, end) {
  let row = start;
  for (let i = start + 1; i < end; i++) if (scores[i] > scores[row]) row = i;
  return row;
}

// Rows of the k best papers, best first; ties to the earlier paper, which is the smaller id.
function rankPapers(scores, starts, k) {
  const top = [];
  for (let p = 0; p < starts.length; p++) {
    const row = bestRow(scores, starts[p], p + 1 < starts.length ? starts[p + 1] : scores.length);
    if (top.length === k && !(scores[row] > scores[top[k - 1]])) continue;
    let from = 0, to = top.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (scores[top[middle]] < scores[row]) to = middle; else from = middle + 1;
    }
    top.splice(from, 0, row);
    if (top.length > k) top.pop();
  }
  return top;
}

// One signal's part in a row, as Ranking shows it: weight x normalised, and its share.
function partsOf(columns, weights, row) {
  const parts = columns.map((column, c) => column[row] * weights[c]);
  const whole = parts.reduce((sum, part) => sum + Math.abs(part), 0);
  return parts.map((part) => ({ part, share: whole ? Math.abs(part) / whole : 0 }));
}

const isSemantic = (signal) => signal.startsWith("dense");
const isLexical = (signal) => signal.startsWith("bm25") || signal === "title";
const rounded = (value) => Math.round(value * 1e6) / 1e6;

// Weight of a group of signals, e.g. all lexical ones.
const groupWeight = (weights, signals) =>
  signals.reduce((sum, signal) => sum + (weights[signal] || 0), 0);

// How far the main slider stands towards the semantic signals, 0 to 1.
function balanceOf(weights, signals) {
  const lexical = groupWeight(weights, signals.filter(isLexical));
  const semantic = groupWeight(weights, signals.filter(isSemantic));
  return lexical + semantic ? semantic / (lexical + semantic) : 0.5;
}

// Weights with the group's total set anew, in the proportions of `shape` within the group.
function spread(weights, group, total, shape) {
  const whole = groupWeight(shape, group);
  const changed = { ...weights };
  group.forEach((signal, i) => {
    changed[signal] = rounded(whole ? (total * (shape[signal] || 0)) / whole : i ? 0 : total);
  });
  return changed;
}

// Weights with the main slider at `balance`: the total of both groups stays.
function balanced(weights, signals, balance, shape) {
  const lexical = signals.filter(isLexical), semantic = signals.filter(isSemantic);
  const total = groupWeight(weights, [...lexical, ...semantic]) || 1;
  const half = spread(weights, lexical, total * (1 - balance), shape);
  return spread(half, semantic, total * balance, shape);
}
