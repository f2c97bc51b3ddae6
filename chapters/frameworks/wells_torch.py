"""The wells with PyTorch: logistic regression, a full-rank Gaussian."""

from pathlib import Path

import numpy as np
import torch
import torch.distributions as td

torch.set_default_dtype(torch.float64)

path = Path(__file__).parents[2] / "vi_lab/data/wells.csv"
wells = np.genfromtxt(path, delimiter=",", names=True)
names = ["distance_m", "arsenic", "education_years", "association"]
x = np.stack([wells[name] for name in names], axis=1) / [100, 1, 4, 1]
x = np.insert(x - x.mean(axis=0), 0, 1, axis=1)  # the intercept first
x = torch.tensor(x)
y = torch.tensor(wells["switched"])


def log_joint(z):  # z: (draws, 5)
    log_prior = td.Normal(0, 2.5).log_prob(z).sum(-1)
    return log_prior + td.Bernoulli(logits=z @ x.T).log_prob(y).sum(-1)


def log_weights(q, num_samples):
    z = q.rsample((num_samples,))  # gradients flow through these draws
    return log_joint(z) - q.log_prob(z)


def main(num_steps=2000):
    torch.manual_seed(0)
    mean = torch.zeros(x.shape[1], requires_grad=True)
    raw = torch.zeros(x.shape[1], x.shape[1], requires_grad=True)
    lower_cholesky = td.transform_to(td.constraints.lower_cholesky)
    optimizer = torch.optim.Adam([mean, raw], lr=0.1)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_steps)
    for _ in range(num_steps):
        optimizer.zero_grad()
        q = td.MultivariateNormal(mean, scale_tril=lower_cholesky(raw))
        loss = -log_weights(q, 16).mean()
        loss.backward()
        optimizer.step()
        cosine.step()
    with torch.no_grad():
        q = td.MultivariateNormal(mean, scale_tril=lower_cholesky(raw))
        log_w = log_weights(q, 4096)
    return {
        "elbo": log_w.mean().item(),
        "std_error": log_w.std().item() / len(log_w) ** 0.5,
        "mean": q.mean.tolist(),
        "std": q.stddev.tolist(),
    }


if __name__ == "__main__":
    fit = main()
    means = np.round(fit["mean"], 3)
    print(f"ELBO {fit['elbo']:.3f} ± {fit['std_error']:.3f}, means {means}")
