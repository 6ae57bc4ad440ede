"""
A convolution network for sentences (Kim 2014) tells which part of Python's manual a sentence is from.

    python examples/classify_sentences.py
    python examples/classify_sentences.py --epochs 20 --seed 1

The text is that of `help()`, which comes with every CPython. Each word becomes a vector; filters
of 3, 4 and 5 words pass over the sentence; the strongest answer of each filter is kept, wherever it was; one
linear layer decides. A quarter of the sentences is held out. Afterwards the filters that speak most for each
part are shown with the words that excite them.
"""

import argparse
import re
import time
from pydoc_data.topics import topics

import autograd.numpy as anp
import numpy as np

import convnative as cn
from convnative import functional as F
from convnative import nn

PARTS = {
    "debugger": ("debugger",),
    "strings": ("strings", "string-methods", "formatstrings"),
    "containers": ("typesseq", "typesseq-mutable", "typesmapping", "sequence-types", "subscriptions"),
    "classes": ("customization", "attribute-access", "class"),
    "statements": ("compound", "import", "assignment", "raise", "assert", "global", "return", "yield"),
}
LENGTH = 32
PADDING, UNKNOWN = 0, 1


def sentences_of(text):
    """Sentences of prose as tuples of words; code, headings and tables are passed over."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.splitlines()
        if any(re.match(r"\s*(>>>|\.\.\.|\||\+-|=|\*{3}|-{3})", line) for line in lines):
            continue
        for sentence in re.split(r"(?<=[.:;])\s+", " ".join(line.strip() for line in lines)):
            words = tuple(re.findall(r"[a-z_][a-z_']*", sentence.lower()))
            if len(words) >= 5 and sentence.rstrip().endswith((".", ":", ";")):
                found.append(words[:LENGTH])
    return found


def labelled_sentences():
    """Each sentence once, with its part; those of several parts are left out, as topics include others."""
    parts = {}
    for label, names in enumerate(PARTS.values()):
        for name in names:
            for sentence in sentences_of(topics.get(name, "")):
                parts.setdefault(sentence, set()).add(label)
    return [(sentence, labels.pop()) for sentence, labels in parts.items() if len(labels) == 1]


def vocabulary_of(sentences):
    """Numbers for the words that occur at least twice."""
    counts = {}
    for sentence in sentences:
        for word in sentence:
            counts[word] = counts.get(word, 0) + 1
    known = sorted(word for word, count in counts.items() if count > 1)
    return {word: index for index, word in enumerate(known, start=UNKNOWN + 1)}


def encoded(sentences, vocabulary):
    codes = np.full((len(sentences), LENGTH), PADDING, dtype=np.int64)
    for row, sentence in zip(codes, sentences, strict=True):
        row[: len(sentence)] = [vocabulary.get(word, UNKNOWN) for word in sentence]
    return codes


class SentenceNetwork(nn.Module):
    """Words to vectors, filters of several widths, the maximum over the sentence, one linear layer."""

    def __init__(self, words, classes, features=64, filters=48, widths=(3, 4, 5)):
        super().__init__()
        self.embedding = nn.Embedding(words, features, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(nn.Conv1d(features, filters, width) for width in widths)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(filters * len(widths), classes)

    def answers(self, codes):
        """What the filters of each width say at each position: arrays of shape (N, filters, positions)."""
        vectors = self.embedding(codes).transpose((0, 2, 1))
        return [F.relu(convolution(vectors)) for convolution in self.convolutions]

    def forward(self, codes):
        strongest = [F.global_max_pool(answer) for answer in self.answers(codes)]
        features = F.flatten(anp.concatenate(strongest, axis=1), 1)
        return self.output(self.dropout(features))


def train(model, codes, labels, epochs, rng):
    optimizer = cn.optim.AdamW(model, lr=0.003, weight_decay=0.05)
    for epoch in range(epochs):
        model.train()
        losses = []
        for x, target in cn.data.batches(codes, labels, size=50, shuffle=True, rng=rng):
            loss, grads = cn.value_and_grad(lambda m, x=x, t=target: F.cross_entropy(m(x), t), model)
            optimizer.step(grads)
            losses.append(loss)
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}")
    model.eval()


def show_filters(model, codes, sentences):
    """For each part the two filters that add most to its score, with the words that excite them most."""
    answers = model.answers(codes)
    strongest = np.concatenate([answer.max(axis=2) for answer in answers], axis=1)
    count = answers[0].shape[1]
    for label, part in enumerate(PARTS):
        # What a filter adds to the score of this part, above what it adds to the others on average.
        weight = model.output.weight[label] - model.output.weight.mean(axis=0)
        print(part)
        for index in np.argsort(weight * strongest.max(axis=0))[::-1][:2]:
            group, channel = divmod(int(index), count)
            width = model.convolutions[group].kernel_size[0]
            phrases = []
            for row in np.argsort(answers[group][:, channel].max(axis=1))[::-1]:
                begin = answers[group][row, channel].argmax()
                phrase = " ".join(sentences[row][begin : begin + width])
                if phrase not in phrases:
                    phrases.append(phrase)
                if len(phrases) == 3:
                    break
            print(f"  a filter of {width} words: {' | '.join(phrases)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="passes over the data (default: 12)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (default: 0)")
    parser.add_argument("--quick", action="store_true", help="5 epochs")
    options = parser.parse_args()

    cn.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    data = labelled_sentences()
    data = [data[index] for index in rng.permutation(len(data))]
    held_out = len(data) // 4
    sentences, labels = [sentence for sentence, _ in data], np.array([label for _, label in data])
    vocabulary = vocabulary_of(sentences[held_out:])
    codes = encoded(sentences, vocabulary)
    for label, part in enumerate(PARTS):
        print(f"{part:11s} {np.sum(labels == label):4d} sentences")
    model = SentenceNetwork(len(vocabulary) + 2, len(PARTS))
    print(f"{len(vocabulary)} words, {cn.count_parameters(model).total:,} parameters")

    begin = time.perf_counter()
    epochs = 5 if options.quick else options.epochs
    train(model, codes[held_out:], labels[held_out:], epochs, rng)
    found = model(codes[:held_out]).argmax(axis=1)
    print(f"trained in {time.perf_counter() - begin:.1f} s\n")
    show_filters(model, codes[held_out:], sentences[held_out:])
    guess = np.bincount(labels[held_out:]).argmax()
    print(f"\nalways the most frequent part {np.mean(labels[:held_out] == guess):.2%}")
    print(f"test accuracy {np.mean(found == labels[:held_out]):.2%} of {held_out} sentences held out")


if __name__ == "__main__":
    main()
