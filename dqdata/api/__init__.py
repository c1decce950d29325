"""What `import dqdata` offers beside the contracts: projects, catalogs and rows, in scripts and notebooks."""
