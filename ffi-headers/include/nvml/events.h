/* Events. */
#ifndef HAMI_NVML_EVENTS_H
#define HAMI_NVML_EVENTS_H

#define nvmlEventTypeNone 0
#define nvmlEventTypeSingleBitEccError 1
#define nvmlEventTypeDoubleBitEccError 2
#define nvmlEventTypePState 4
#define nvmlEventTypeXidCriticalError 8
#define nvmlEventTypeClock 16
#define nvmlEventTypePowerSourceChange 128
#define nvmlEventMigConfigChange 256
#define nvmlEventTypeSingleBitEccErrorStorm 512
#define nvmlEventTypeDramRetirementEvent 1024
#define nvmlEventTypeDramRetirementFailure 2048
#define nvmlEventTypeNonFatalPoisonError 4096
#define nvmlEventTypeFatalPoisonError 8192
#define nvmlEventTypeGpuUnavailableError 16384
#define nvmlEventTypeGpuRecoveryAction 32768
#define nvmlEventTypeAll 65439
#define nvmlSystemEventTypeGpuDriverUnbind 1
#define nvmlSystemEventTypeGpuDriverBind 2
#define nvmlSystemEventTypeCount 2

typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType;
    unsigned long long eventData;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlEventData_t;

typedef struct {
    unsigned int version;
    nvmlSystemEventSet_t set;
} nvmlSystemEventSetCreateRequest_v1_t;
typedef nvmlSystemEventSetCreateRequest_v1_t nvmlSystemEventSetCreateRequest_t;

typedef struct {
    unsigned int version;
    nvmlSystemEventSet_t set;
} nvmlSystemEventSetFreeRequest_v1_t;
typedef nvmlSystemEventSetFreeRequest_v1_t nvmlSystemEventSetFreeRequest_t;

typedef struct {
    unsigned long long eventType;
    unsigned int gpuId;
} nvmlSystemEventData_v1_t;

typedef struct {
    unsigned int version;
    unsigned int timeoutms;
    nvmlSystemEventSet_t set;
    nvmlSystemEventData_v1_t *data;
    unsigned int dataSize;
    unsigned int numEvent;
} nvmlSystemEventSetWaitRequest_v1_t;
typedef nvmlSystemEventSetWaitRequest_v1_t nvmlSystemEventSetWaitRequest_t;

typedef struct {
    unsigned int version;
    unsigned long long eventTypes;
    nvmlSystemEventSet_t set;
} nvmlSystemRegisterEventRequest_v1_t;
typedef nvmlSystemRegisterEventRequest_v1_t nvmlSystemRegisterEventRequest_t;

#endif
