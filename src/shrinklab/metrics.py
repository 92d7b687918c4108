import torch


def predict(model, images, batch_size=500):
    """Logits of a model in evaluation mode; its own mode is restored. (N, ...) -> (N, classes)."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            return torch.cat([model(batch) for batch in images.split(batch_size)])
    finally:
        model.train(was_training)


def accuracy(model, split):
    return (predict(model, split.images).argmax(1) == split.labels).float().mean().item()
