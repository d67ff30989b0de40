"""Well-known models with a UNet, and those that predict noise: Stable Diffusion, SDXL, PixArt.

The source of each row stands above it.
"""

from __future__ import annotations

from typing import Final

from underpaint.engines.well_known.row import STEPS, TRAILING, Known

MODELS: Final[tuple[Known, ...]] = (
    # https://huggingface.co/stabilityai/sd-turbo; its example starts from a picture at 0.5
    Known(
        title="SD-Turbo",
        ids=("stabilityai/sd-turbo",),
        words=r"\bsd ?turbo\b",
        steps=1,
        guidance=0.0,
        strength=0.5,
        scheduler=TRAILING,
    ),
    # https://huggingface.co/stabilityai/sdxl-turbo
    Known(
        title="SDXL-Turbo",
        ids=("stabilityai/sdxl-turbo",),
        words=r"\bsd ?xl ?turbo\b(?! ?v\d)",
        steps=1,
        guidance=0.0,
        strength=0.5,
        scheduler=TRAILING,
    ),
    # https://huggingface.co/ByteDance/SDXL-Lightning: the one-step model predicts the sample
    Known(
        title="SDXL-Lightning in one step",
        words=r"\bsd ?xl lightning 1 ?steps?\b",
        steps=1,
        guidance=0.0,
        scheduler_name="euler",
        scheduler={**TRAILING, "prediction_type": "sample"},
    ),
    Known(
        title="SDXL-Lightning",
        words=rf"\bsd ?xl lightning {STEPS}",
        guidance=0.0,
        scheduler_name="euler",
        scheduler=TRAILING,
    ),
    # https://huggingface.co/ByteDance/Hyper-SD: FLUX and SD3 keep a guidance, as do the CFG ones;
    # that of SD3 grows with the steps: 3, 5 and 7 for 4, 8 and 16
    Known(
        title="Hyper-FLUX",
        words=rf"\bhyper flux\b.*?{STEPS}",
        guidance=3.5,
        lora=True,
    ),
    Known(
        title="Hyper-SD3 in 4 steps",
        words=r"\bhyper sd ?3\b.*?\b4 ?steps?\b",
        steps=4,
        guidance=3.0,
        lora=True,
    ),
    Known(
        title="Hyper-SD3 in 16 steps",
        words=r"\bhyper sd ?3\b.*?\b16 ?steps?\b",
        steps=16,
        guidance=7.0,
        lora=True,
    ),
    Known(title="Hyper-SD3", words=rf"\bhyper sd ?3\b.*?{STEPS}", guidance=5.0, lora=True),
    Known(
        title="Hyper-SD with guidance",
        words=rf"\bhyper sd(?: ?xl| ?15)?\b.*?{STEPS}.*\bcfg\b",
        guidance=5.0,
        scheduler_name="ddim",
        scheduler=TRAILING,
        lora=True,
    ),
    Known(
        title="Hyper-SD in one step",
        words=r"\bhyper sd(?: ?xl| ?15)?\b.*?\b1 ?steps?\b",
        steps=1,
        guidance=0.0,
        scheduler_name="tcd",
        lora=True,
    ),
    Known(
        title="Hyper-SD",
        words=rf"\bhyper sd(?: ?xl| ?15)?\b.*?{STEPS}",
        guidance=0.0,
        scheduler_name="ddim",
        scheduler=TRAILING,
        lora=True,
    ),
    # https://huggingface.co/SimianLuo/LCM_Dreamshaper_v7: the guidance goes into its UNet
    Known(
        title="LCM Dreamshaper v7",
        ids=("SimianLuo/LCM_Dreamshaper_v7",),
        words=r"\blcm dreamshaper v7\b",
        steps=4,
        guidance=8.0,
    ),
    # https://huggingface.co/latent-consistency/lcm-lora-sdxl, -sdv1-5, -ssd-1b
    Known(
        title="LCM-LoRA",
        ids=(
            "latent-consistency/lcm-lora-sdv1-5",
            "latent-consistency/lcm-lora-sdxl",
            "latent-consistency/lcm-lora-ssd-1b",
        ),
        words=r"\blcm lora\b|\blcm ?loras? ?(sd|ssd)",
        steps=4,
        guidance=1.0,
        scheduler_name="lcm",
        lora=True,
    ),
    # https://huggingface.co/latent-consistency/lcm-sdxl: the guidance goes into its UNet
    Known(
        title="LCM-SDXL",
        words=r"\blcm (sd ?xl|ssd 1 ?b)\b",
        steps=4,
        guidance=8.0,
        scheduler_name="lcm",
    ),
    # https://huggingface.co/Lykon/dreamshaper-8-lcm
    Known(
        title="DreamShaper 8 LCM",
        ids=("Lykon/dreamshaper-8-lcm",),
        words=r"\bdreamshaper 8 ?lcm\b",
        steps=15,
        guidance=2.0,
        scheduler_name="lcm",
        confirmed=False,
    ),
    # https://huggingface.co/Lykon/dreamshaper-xl-v2-turbo: 4 to 8 steps, guidance 2
    Known(
        title="DreamShaper XL Turbo",
        ids=("Lykon/dreamshaper-xl-v2-turbo", "Lykon/dreamshaper-xl-turbo"),
        words=r"\bdreamshaper ?xl\b.*\bturbo\b",
        steps=6,
        guidance=2.0,
        scheduler_name="dpm++_2m",
    ),
    # https://huggingface.co/tianweiy/DMD2: the one-step model was taught at the timestep 399 alone
    Known(
        title="DMD2 in one step",
        words=r"\bdmd ?2\b.*\b1 ?steps?\b",
        steps=1,
        guidance=0.0,
        scheduler_name="lcm",
        call={"timesteps": [399]},
        lora=True,
    ),
    Known(
        title="DMD2",
        ids=("tianweiy/DMD2",),
        words=r"\bdmd ?2\b",
        steps=4,
        guidance=0.0,
        scheduler_name="lcm",
        lora=True,
    ),
    # https://huggingface.co/h1t/TCD-SDXL-LoRA, and diffusers' guide to TCD: 4 steps, eta 0.3
    Known(
        title="TCD",
        ids=("h1t/TCD-SDXL-LoRA", "h1t/TCD-SD15-LoRA"),
        words=r"\btcd (sd ?xl|sd ?15)\b",
        steps=4,
        guidance=0.0,
        scheduler_name="tcd",
        call={"eta": 0.3},
        lora=True,
    ),
    # https://huggingface.co/jasperai/flash-sdxl, flash-sd, flash-pixart
    Known(
        title="Flash Diffusion",
        ids=("jasperai/flash-sd", "jasperai/flash-sdxl", "jasperai/flash-pixart"),
        words=r"\bflash (sd|sd ?xl|pixart)\b",
        steps=4,
        guidance=0.0,
        scheduler_name="lcm",
        scheduler=TRAILING,
        lora=True,
    ),
    # https://huggingface.co/segmind/Segmind-VegaRT
    Known(
        title="Segmind VegaRT",
        ids=("segmind/Segmind-VegaRT",),
        words=r"\bvega ?rt\b",
        steps=4,
        guidance=0.0,
        scheduler_name="lcm",
        lora=True,
    ),
    # https://huggingface.co/IDKiro/sdxs-512-dreamshaper, sdxs-512-0.9
    Known(
        title="SDXS",
        ids=("IDKiro/sdxs-512-0.9", "IDKiro/sdxs-512-dreamshaper"),
        words=r"\bsdxs\b",
        steps=1,
        guidance=0.0,
    ),
    # https://huggingface.co/segmind/SSD-1B and Segmind-Vega: distilled in layers, not in steps, of
    # which the cards say nothing; "a CFG around 9.0"
    Known(title="SSD-1B", ids=("segmind/SSD-1B",), words=r"\bssd 1 ?b\b", guidance=9.0),
    Known(
        title="Segmind Vega",
        ids=("segmind/Segmind-Vega",),
        words=r"\bsegmind vega\b",
        guidance=9.0,
    ),
    # https://huggingface.co/nota-ai/bk-sdm-small: called as Stable Diffusion 1.4, with 50 steps
    Known(
        title="BK-SDM",
        ids=tuple(f"nota-ai/bk-sdm-{size}" for size in ("base", "small", "tiny")),
        words=r"\bbk sdm\b",
        steps=50,
        guidance=7.5,
    ),
    # https://huggingface.co/prompthero/openjourney
    Known(
        title="Openjourney",
        ids=("prompthero/openjourney",),
        words=r"\bopenjourney\b(?! ?v4)",
        trigger="mdjrny-v4 style",
    ),
    # https://huggingface.co/playgroundai/playground-v2.5-1024px-aesthetic
    Known(
        title="Playground v2.5",
        ids=("playgroundai/playground-v2.5-1024px-aesthetic",),
        words=r"\bplayground v2 5\b",
        steps=50,
        guidance=3.0,
    ),
    # diffusers' guide to Kolors has 25 steps, guidance 6.5 with DPM++ 2M Karras; with the scheduler
    # that it ships, its makers' class has 50 and 5.0
    Known(title="Kolors", ids=("Kwai-Kolors/Kolors-diffusers",), steps=50, guidance=5.0),
    # https://huggingface.co/PixArt-alpha/PixArt-LCM-XL-2-1024-MS
    Known(
        title="PixArt-δ",
        ids=("PixArt-alpha/PixArt-LCM-XL-2-1024-MS",),
        words=r"\bpixart lcm\b",
        steps=4,
        guidance=0.0,
    ),
    # https://github.com/PixArt-alpha/PixArt-sigma, app/app_pixart_dmd.py: one step, at 400 alone
    Known(
        title="PixArt-α DMD",
        ids=("PixArt-alpha/PixArt-Alpha-DMD-XL-2-512x512",),
        words=r"\bpixart alpha dmd\b",
        steps=1,
        guidance=1.0,
        call={"timesteps": [400]},
    ),
    # Half of the steps, as the cards of the distilled models say; of how many, they do not agree
    Known(
        title="HunyuanDiT distilled",
        words=r"\bhunyuan ?di ?t\b.*\bdistilled\b",
        steps=25,
        guidance=5.0,
        confirmed=False,
    ),
)
