#!/usr/bin/env python3
"""Train a small neural network to tell malignant from benign, with nothing but Python.

One hidden layer of tanh units, a logistic output, stochastic gradient descent with momentum. The same seed gives the
same network. Shows what a job finds and may write: input in $DATA_DIR, output in $OUTPUT_DIR with progress.json,
metrics.json and what it is all for, model.json.
"""
import argparse
import csv
import json
import math
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    data_dir = os.environ.get("DATA_DIR", os.path.join(HERE, "..", "data"))
    parser = argparse.ArgumentParser(description="train a small neural network")
    parser.add_argument("--data", default=os.path.join(data_dir, "breast_cancer.csv"), metavar="FILE")
    parser.add_argument("--output", default=os.environ.get("OUTPUT_DIR", "outputs"), metavar="DIR")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--lr", type=float, default=0.005, help="learning rate")
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--hidden", type=int, default=16, help="hidden units")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.epochs < 1 or args.hidden < 1:
        parser.error("--epochs and --hidden are at least 1")
    return args


def write_json(directory, name, value):
    """Whoever looks sees the old file or the new one, never half of one."""
    temporary = os.path.join(directory, "." + name + ".tmp")
    with open(temporary, "w") as file:
        json.dump(value, file)
        file.write("\n")
    os.replace(temporary, os.path.join(directory, name))


def read_rows(path):
    """The first line counts rows and columns; in the others the last column is the class."""
    try:
        with open(path, newline="") as file:
            lines = csv.reader(file)
            head = next(lines)
            rows = [([float(x) for x in line[:-1]], int(line[-1])) for line in lines]
    except (OSError, ValueError, StopIteration) as why:
        sys.exit("train.py: cannot read %s: %s" % (path, why))
    if len(rows) != int(head[0]) or any(len(x) != int(head[1]) or y not in (0, 1) for x, y in rows):
        sys.exit("train.py: %s is damaged: it should have %s rows of %s numbers and a class" % (path, head[0], head[1]))
    return rows


def split(rows, rng):
    """A fifth of each class, chosen by chance, is kept for the test."""
    train, test = [], []
    for label in (0, 1):
        part = [row for row in rows if row[1] == label]
        rng.shuffle(part)
        test += part[:len(part) // 5]
        train += part[len(part) // 5:]
    return train, test


def scaling(rows):
    columns = list(zip(*(x for x, _ in rows)))
    means = [math.fsum(column) / len(column) for column in columns]
    scales = [math.sqrt(math.fsum((v - m) ** 2 for v in column) / len(column)) or 1.0 for column, m in zip(columns, means)]
    return means, scales


def scaled(rows, means, scales):
    return [([(v - m) / s for v, m, s in zip(x, means, scales)], y) for x, y in rows]


class Network:
    def __init__(self, inputs, hidden, rng):
        width = 1 / math.sqrt(inputs)
        # The last weight of each unit is its bias.
        self.hidden = [[rng.uniform(-width, width) for _ in range(inputs)] + [0.0] for _ in range(hidden)]
        self.output = [rng.uniform(-0.5, 0.5) for _ in range(hidden)] + [0.0]
        self.hidden_speed = [[0.0] * (inputs + 1) for _ in range(hidden)]
        self.output_speed = [0.0] * (hidden + 1)

    def forward(self, x):
        units = [math.tanh(sum(map(float.__mul__, weights, x), weights[-1])) for weights in self.hidden]
        z = sum(map(float.__mul__, self.output, units), self.output[-1])
        return units, 1 / (1 + math.exp(-max(-60.0, min(60.0, z))))

    def learn(self, x, y, rate, momentum):
        """One step down the gradient of the cross entropy; returns that of this row before it."""
        units, p = self.forward(x)
        error = p - y
        outer = self.output[:]
        move(self.output, self.output_speed, units, error, rate, momentum)
        for weights, speed, unit, weight in zip(self.hidden, self.hidden_speed, units, outer):
            move(weights, speed, x, error * weight * (1 - unit * unit), rate, momentum)
        return cross_entropy(p, y)


def move(weights, speed, inputs, slope, rate, momentum):
    step = rate * slope
    speed[:-1] = [momentum * s - step * v for s, v in zip(speed, inputs)]
    speed[-1] = momentum * speed[-1] - step
    weights[:] = map(float.__add__, weights, speed)


def cross_entropy(p, y):
    return -math.log(max(p if y else 1 - p, 1e-12))


def evaluate(network, rows):
    right, loss = 0, 0.0
    for x, y in rows:
        p = network.forward(x)[1]
        right += (p >= 0.5) == bool(y)
        loss += cross_entropy(p, y)
    return right / len(rows), loss / len(rows)


def train(args):
    began = time.monotonic()
    os.makedirs(args.output, exist_ok=True)
    rng = random.Random(args.seed)
    train_rows, test_rows = split(read_rows(args.data), rng)
    means, scales = scaling(train_rows)
    train_rows, test_rows = scaled(train_rows, means, scales), scaled(test_rows, means, scales)
    print("%d rows to learn from, %d to test on; seed %d; GPUs: %s" % (
        len(train_rows), len(test_rows), args.seed, os.environ.get("CUDA_VISIBLE_DEVICES") or "none"), flush=True)
    network = Network(len(means), args.hidden, rng)
    for epoch in range(1, args.epochs + 1):
        rng.shuffle(train_rows)
        # The rate falls to a tenth, so that the end is calm.
        rate = args.lr * 0.1 ** ((epoch - 1) / args.epochs)
        train_loss = sum(network.learn(x, y, rate, args.momentum) for x, y in train_rows) / len(train_rows)
        accuracy, loss = evaluate(network, test_rows)
        print("epoch %d/%d: train loss %.4f, test loss %.4f, test accuracy %.4f" % (
            epoch, args.epochs, train_loss, loss, accuracy), flush=True)
        write_json(args.output, "progress.json", {
            "step": epoch, "total": args.epochs, "message": "test accuracy %.4f" % accuracy})
        write_json(args.output, "metrics.json", {
            "accuracy": accuracy, "loss": loss, "train_loss": train_loss, "epoch": epoch,
            "seconds": round(time.monotonic() - began, 3)})
    write_json(args.output, "model.json", {
        "means": means, "scales": scales, "hidden": network.hidden, "output": network.output})
    print("test accuracy %.4f on %d rows it has never seen" % (accuracy, len(test_rows)), flush=True)


if __name__ == "__main__":
    train(arguments())
