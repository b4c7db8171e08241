/* A library that looks names up, preloaded or opened. -DWHO names it in what it prints. It defines names of its own, some
   of which begin as the vendor's do. */
#include "lookups.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

int cuSomething(void) { return 1; }
int nvmlSomething(void) { return 2; }
int shared_name(void) { return 3; }

void look_up(void);
void look_up(void) { LOOK_UP_ALL(TEXT(WHO)); }
