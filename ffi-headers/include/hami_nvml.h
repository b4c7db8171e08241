/* NVML as far as this project touches it: what src/nvml.rs is generated from.
   Names, values and layouts are those of NVML 12.9, with what NVML 13 adds to enumerations and field identifiers.
   Left out: virtual GPUs, licences, confidential computing, performance monitoring, power profiles. */
#ifndef HAMI_NVML_H
#define HAMI_NVML_H

#include "nvml/handles.h"
#include "nvml/results.h"
#include "nvml/device.h"
#include "nvml/fields.h"
#include "nvml/memory_process.h"
#include "nvml/power_clocks.h"
#include "nvml/events.h"
#include "nvml/mig.h"
#include "nvml/nvlink.h"
#include "nvml/sessions.h"
#include "nvml/unit.h"
#include "nvml/versions.h"
#include "nvml/functions_system.h"
#include "nvml/functions_get.h"
#include "nvml/functions_set.h"
#include "nvml/functions_nvlink.h"
#include "nvml/functions_mig.h"

#endif
