/* S-class units and host interface cards. */
#ifndef HAMI_NVML_UNIT_H
#define HAMI_NVML_UNIT_H

typedef enum {
    NVML_FAN_NORMAL = 0,
    NVML_FAN_FAILED = 1,
} nvmlFanState_t;

typedef enum {
    NVML_LED_COLOR_GREEN = 0,
    NVML_LED_COLOR_AMBER = 1,
} nvmlLedColor_t;

typedef struct {
    unsigned int hwbcId;
    char firmwareVersion[32];
} nvmlHwbcEntry_t;

typedef struct {
    char cause[256];
    nvmlLedColor_t color;
} nvmlLedState_t;

typedef struct {
    char state[256];
    unsigned int current;
    unsigned int voltage;
    unsigned int power;
} nvmlPSUInfo_t;

typedef struct {
    unsigned int speed;
    nvmlFanState_t state;
} nvmlUnitFanInfo_t;

typedef struct {
    nvmlUnitFanInfo_t fans[24];
    unsigned int count;
} nvmlUnitFanSpeeds_t;

typedef struct {
    char name[96];
    char id[96];
    char serial[96];
    char firmwareVersion[96];
} nvmlUnitInfo_t;

#endif
