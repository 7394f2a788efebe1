"""The recogniser of SFDA-PFT: a ResNet-18 on face crops, and one linear head."""
